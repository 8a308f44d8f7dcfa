"""Encoded video goes by itself, also from a partition to which nothing more comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.topics import Topics
from pipeline.settings import load_settings
from pipeline.types import Record
from services.clock import SystemClock
from services.segment_log import open_log
from tests.servers.kafka import Wanted
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.kafka import KafkaCluster, KafkaServers

RETENTION_S = 6.0
CHECK_S = 1.0
DELETE_DELAY_S = 60.0
VIDEO = b"nobody may see this for long" * 1000


@pytest.fixture
def hasty_kafka(kafka_servers: KafkaServers) -> Iterator[KafkaCluster]:
    """Brokers that look every second what is too old; their own interval is five minutes."""
    often = {"log.retention.check.interval.ms": str(round(CHECK_S * 1000)), "log.initial.task.delay.ms": "500"}
    with kafka_servers(Wanted(properties=often)) as cluster:
        yield cluster


def test_a_record_is_gone_within_the_bound_that_is_printed(hasty_kafka: KafkaCluster) -> None:
    given: dict[str, object] = {"kafka_bootstrap": hasty_kafka.bootstrap, "kafka_replication": 1, "kafka_partitions": 1}
    settings = load_settings(**given, retention_minutes=RETENTION_S / 60)
    clock = SystemClock()
    inspection = Topics(cluster_of(settings), settings, clock).apply().inspection
    assert not inspection.differing
    assert inspection.longest_kept_s == RETENTION_S * 1.25 + CHECK_S + DELETE_DELAY_S
    with open_log(settings.data_dir, settings, clock, writes=True) as log:
        log.append(0, Record(headers=(), value=VIDEO))
        appended_s = clock.monotonic()
        assert log.offsets(0) == range(1)
        patience_s = inspection.longest_kept_s - DELETE_DELAY_S + 10  # a busy machine
        wait_until(lambda: log.offsets(0) == range(1, 1), "the record cannot be read any more", patience_s=patience_s)
        assert clock.monotonic() - appended_s >= RETENTION_S
