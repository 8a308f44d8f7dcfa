"""Fetches single records beside the reader, whose buffers it leaves alone; imports errors, types and this package."""

from __future__ import annotations

import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained
from pipeline.adapters.kafka.records import stored_record

if TYPE_CHECKING:
    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.types import StoredRecord

# What kafka-python raises where bytes are not a record: its own errors, and Python's where it did not expect that.
DAMAGE = (kafka.CorruptRecordError, kafka.UnsupportedCodecError, ValueError, IndexError, TypeError, AssertionError, struct.error)

_WAIT_S = 3.0
_POLL_MS = 100
_FETCH_BYTES = 1024  # the first record comes whole, whatever its size


class Peek:
    """Looks at single records of a topic. Safe to use from several threads, which take turns.

    Args:
        cluster: The brokers.
        topic: What is looked at.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._turn = threading.Lock()
        self._consumer: KafkaConsumer | None = None

    def first(self, partition: int, offset: int) -> StoredRecord | None:
        """Return the first record at or after `offset`, which must not be the partition's end; None: retention was faster, or damage.

        Raises:
            LogUnavailableError: It did not come.
            ConfigurationError: The brokers refuse.
        """
        with self._turn, explained(f"reading one record of partition {partition} of topic {self._topic}"):
            try:
                return self._fetch(TopicPartition(self._topic, partition), offset)
            except (kafka.OffsetOutOfRangeError, *DAMAGE):
                return None

    def is_damaged(self, partition: int, offset: int) -> bool:
        """Tell whether the record at `offset`, which must not be the partition's end, can be fetched and not be taken apart.

        Raises:
            HeadcountError: It could not be fetched.
        """
        with self._turn, explained(f"looking for damage in partition {partition} of topic {self._topic}"):
            try:
                self._fetch(TopicPartition(self._topic, partition), offset)
            except kafka.OffsetOutOfRangeError:
                return False
            except DAMAGE:
                return True
            return False

    def close(self) -> None:
        """Close; returns soon."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        with suppress(kafka.KafkaError):
            if self._consumer is not None:
                self._consumer.close(autocommit=False, timeout_ms=1000)
        self._consumer = None

    def _fetch(self, place: TopicPartition, offset: int) -> StoredRecord:
        if self._consumer is None:
            self._consumer = connected(self._cluster, KafkaConsumer, **_OPTIONS)
        try:
            stored = _first(self._consumer, place, offset)
            self._consumer.assign([])
        except BaseException:  # after a record that it cannot take apart the client turns round and round
            self._drop()
            raise
        return stored


def _first(consumer: KafkaConsumer, place: TopicPartition, offset: int) -> StoredRecord:
    consumer.assign([place])
    consumer.seek(place, offset)
    deadline_s = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline_s:
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            return stored_record(records[0])
    raise kafka.KafkaTimeoutError


_OPTIONS: dict[str, object] = {
    "group_id": None,
    "request_timeout_ms": 5000,
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "fetch_max_wait_ms": _POLL_MS,
    "fetch_max_bytes": _FETCH_BYTES,
    "max_partition_fetch_bytes": _FETCH_BYTES,
    "max_poll_records": 1,
    "metrics_enabled": False,
}
