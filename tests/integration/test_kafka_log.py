"""What the log in Kafka does beyond the contract: bounds of bytes, the shelf of dead letters, the group that shows lag."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from kafka import TopicPartition

from pipeline.adapters.kafka.lag_group import publish
from pipeline.adapters.kafka.log import KafkaLog, Topic
from pipeline.adapters.kafka.reader import ReadLimits
from pipeline.adapters.kafka.shelf import KafkaShelf
from pipeline.errors import ConfigurationError, LogUnavailableError
from pipeline.types import Record, StoredRecord
from tests.metered import metered
from tests.servers.process import wait_until
from tests.servers.topics import cluster_at, delete, deleted
from tests.servers.traffic import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.kafka import KafkaCluster

KIB = 2**10
RECORD_BYTES = 100 * KIB
MAX_RECORD_BYTES = 512 * KIB
PARTITIONS = 3
EACH = 30
LIMITS = ReadLimits(partition_bytes=800 * KIB, process_bytes=1500 * KIB)


@pytest.fixture
def topic(kafka_server: KafkaCluster) -> Iterator[str]:
    name = kafka_server.new_topic(partitions=PARTITIONS, message_timestamp_type="LogAppendTime")
    with deleted(kafka_server, name):
        yield name


@pytest.fixture
def log(kafka_server: KafkaCluster, topic: str) -> Iterator[KafkaLog]:
    with KafkaLog(cluster_at(kafka_server), Topic(name=topic, max_record_bytes=MAX_RECORD_BYTES, writes=True, read_limits=LIMITS)) as log:
        yield log


def test_reading_ahead_is_bounded_and_what_was_let_go_is_read_again(log: KafkaLog) -> None:
    for partition in range(PARTITIONS):
        for number in range(EACH):
            log.append(partition, numbered(number, RECORD_BYTES))
    came: dict[int, list[StoredRecord]] = {partition: [] for partition in range(PARTITIONS)}
    peak = 0.0
    while any(len(records) < EACH for records in came.values()):
        for partition, records in came.items():
            if len(records) < EACH:
                records.extend(log.read(partition, len(records), max_bytes=2 * RECORD_BYTES, timeout_s=10))
                peak = max(peak, metered("headcount_log_buffered_bytes"))
        time.sleep(0.02)  # the reader gets ahead as far as it may
    assert all([stored.offset for stored in records] == list(range(EACH)) for records in came.values())
    answer = LIMITS.process_bytes + RECORD_BYTES  # one answer of the broker may come on top
    assert LIMITS.partition_bytes / 2 < peak < LIMITS.process_bytes + answer


def test_another_client_may_add_partitions(kafka_server: KafkaCluster, topic: str, log: KafkaLog) -> None:
    with pytest.raises(ConfigurationError, match=f"0 to {PARTITIONS - 1}, not {PARTITIONS}"):
        log.append(PARTITIONS, numbered(0, 10))
    log.append(0, numbered(0, 10))
    admin = kafka_server.admin()
    admin.create_partitions({topic: PARTITIONS + 1})
    admin.close()

    def appended() -> bool:
        try:
            return log.append(PARTITIONS, numbered(0, 10)) >= 0
        except (LogUnavailableError, ConfigurationError):
            return False

    wait_until(appended, "the new partition is used", patience_s=30)
    assert log.partitions == PARTITIONS + 1
    assert log.read(PARTITIONS, 0, max_bytes=KIB, timeout_s=10)


def test_a_log_that_was_opened_for_reading_refuses_to_append(kafka_server: KafkaCluster, topic: str) -> None:
    with (
        KafkaLog(cluster_at(kafka_server), Topic(name=topic, max_record_bytes=MAX_RECORD_BYTES)) as log,
        pytest.raises(ConfigurationError, match="for reading"),
    ):
        log.append(0, numbered(0, 10))


def test_a_topic_that_is_not_there_is_named(kafka_server: KafkaCluster) -> None:
    with pytest.raises(LogUnavailableError, match="there is no topic nobody-made-it; run headcount topics apply"):
        KafkaLog(cluster_at(kafka_server), Topic(name="nobody-made-it", max_record_bytes=1))


def test_dead_letters_are_found_in_the_log_and_then_on_the_shelf(kafka_server: KafkaCluster, topic: str, log: KafkaLog) -> None:
    record = Record(headers=(("camera", b"\xff\x00"), ("camera", b"")), value=b"not a video")
    for partition in (0, 1):
        log.append(partition, numbered(7, 10))
        log.append(partition, record)
    dead_letters = kafka_server.new_topic()
    shelf = KafkaShelf(cluster_at(kafka_server), dead_letters, log, max_record_bytes=MAX_RECORD_BYTES)
    with deleted(kafka_server, dead_letters):
        assert shelf.find(0, 1) == record, "as long as it is in the log"
        for _ in range(2):
            shelf.keep(log.read(0, 1, max_bytes=KIB, timeout_s=10)[0], "corrupt")
        admin = kafka_server.admin()
        admin.delete_records({TopicPartition(topic, partition): 2 for partition in (0, 1)})
        admin.close()
        assert shelf.find(0, 1) == record
        assert shelf.find(1, 1) is None, "nobody kept it"
        assert shelf.find(PARTITIONS, 0) is None
    shelf.close()


def test_a_shelf_without_a_topic_names_it(kafka_server: KafkaCluster, log: KafkaLog) -> None:
    dead_letters = kafka_server.new_topic()
    shelf = KafkaShelf(cluster_at(kafka_server), dead_letters, log, max_record_bytes=MAX_RECORD_BYTES)
    stored = StoredRecord(partition=0, offset=0, record=numbered(0, 10))
    shelf.keep(stored, "corrupt")
    delete(kafka_server, dead_letters)
    with pytest.raises(LogUnavailableError, match=f"no topic {dead_letters}; run headcount topics apply"):
        shelf.keep(stored, "corrupt")
    shelf.close()


def test_positions_are_shown_by_a_group_that_nobody_joins(kafka_server: KafkaCluster, topic: str) -> None:
    group = f"lag-of-{topic}"
    admin = kafka_server.admin()
    for positions in ({0: 3, 1: 0}, {0: 5, 1: 1}):

        def published(positions: dict[int, int] = positions) -> bool:
            try:
                publish(cluster_at(kafka_server), group, topic, positions)
            except LogUnavailableError:  # a new cluster has no coordinator yet
                return False
            return True

        wait_until(published, "positions are written", patience_s=30)
        found = admin.list_group_offsets({group: None})[group]
        assert {place.partition: known.offset for place, known in found.items()} == positions
    admin.close()
