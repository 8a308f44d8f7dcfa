"""Three brokers that must hold each record twice: one of them may die while records are appended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pipeline.adapters.kafka.log import KafkaLog, Topic
from tests.servers.kafka import Wanted
from tests.servers.topics import cluster_at
from tests.servers.traffic import Traffic

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServers

PARTITIONS = 6  # each broker leads some


def test_one_of_three_brokers_killed_while_records_are_appended_loses_nothing(kafka_servers: KafkaServers) -> None:
    with kafka_servers(Wanted(nodes=3)) as brokers:
        topic = brokers.new_topic(partitions=PARTITIONS, replication=3, min_insync_replicas="2", message_timestamp_type="LogAppendTime")
        with KafkaLog(cluster_at(brokers), Topic(name=topic, max_record_bytes=2**20, writes=True)) as log:
            with Traffic(log=log, partitions=PARTITIONS) as traffic:
                time.sleep(2)
                before = dict(traffic.sent)
                brokers.nodes[1].kill()
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline and any(traffic.sent[partition] <= before[partition] + 20 for partition in before):
                    time.sleep(0.2)
                assert all(traffic.sent[partition] > before[partition] for partition in before), "a partition stands still"
            traffic.check()
            assert all(log.appended_us(partition, 0) is not None for partition in range(PARTITIONS))
    assert traffic.refusals, "nobody noticed"
