"""The log in a topic of a real broker, held to the contract of segment logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.kafka.log import KafkaLog, Topic
from tests.contract.segment_log import MAX_RECORD_BYTES, PARTITIONS, LogPlace, SegmentLogContract
from tests.servers.topics import cluster_at, deleted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import SegmentLog
    from tests.servers.kafka import KafkaCluster


class KafkaPlace:
    def __init__(self, server: KafkaCluster, topic: str) -> None:
        self._cluster = cluster_at(server)
        self._topic = topic
        self._writer: KafkaLog | None = None
        self._readers: list[KafkaLog] = []

    def writer(self) -> SegmentLog:
        if self._writer is not None:
            self._writer.close()
        self._writer = KafkaLog(self._cluster, Topic(name=self._topic, max_record_bytes=MAX_RECORD_BYTES, writes=True))
        return self._writer

    def reader(self) -> SegmentLog:
        self._readers.append(KafkaLog(self._cluster, Topic(name=self._topic, max_record_bytes=MAX_RECORD_BYTES)))
        return self._readers[-1]

    def close(self) -> None:
        for log in (self._writer, *self._readers):
            if log is not None:
                log.close()


class TestKafkaLog(SegmentLogContract):
    timeout_s = 3.0

    @pytest.fixture
    def place(self, kafka_server: KafkaCluster) -> Iterator[LogPlace]:
        topic = kafka_server.new_topic(partitions=PARTITIONS, message_timestamp_type="LogAppendTime")
        place = KafkaPlace(kafka_server, topic)
        with deleted(kafka_server, topic):
            yield place
            place.close()
