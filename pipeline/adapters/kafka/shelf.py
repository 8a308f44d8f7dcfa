"""Keeps the bytes of dead letters in a topic of their own; imports ports, types, errors and this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained
from pipeline.adapters.kafka.opening import Opening
from pipeline.adapters.kafka.producer import Producer
from pipeline.adapters.kafka.records import stored_record
from pipeline.adapters.kafka.watch import look_at, require
from pipeline.errors import LogUnavailableError, TransientError
from pipeline.types import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.adapters.kafka.log import KafkaLog
    from pipeline.types import StoredRecord

_PLACE_BYTES = 32 * 2**10  # what the headers of the place, and the marks of the original ones, may add
_PARTITION = 0  # dead letters are few, and a person reads them
_LOG, _AT, _REASON = "headcount-log", "headcount-place", "headcount-reason"
_ORIGINAL = "original-"
_SILENCE_S = 10.0


class KafkaShelf:
    """A `DeadLetterShelf` in a topic; it connects when it is first used, and is closed by who made it.

    A record that is still in the log is found there, so a search of the topic is made only for older ones.

    Args:
        cluster: The brokers.
        topic: Of the dead letters; with one partition.
        log: The log whose records are kept.
        max_record_bytes: Headers and value of its largest record.
    """

    def __init__(self, cluster: Cluster, topic: str, log: KafkaLog, *, max_record_bytes: int) -> None:
        self._cluster = cluster
        self._topic = topic
        self._log = log
        self._max_record_bytes = max_record_bytes + _PLACE_BYTES
        self._producer = Opening(self._open)

    def keep(self, stored: StoredRecord, reason: str) -> None:
        """Append a record's bytes, with where it stood and why it could not be used.

        Raises:
            LogUnavailableError: Try again.
            ConfigurationError: The brokers refuse this user.
            InvalidRecordError: It is larger than the topic carries.
        """
        marks = ((_LOG, self._log.uid()), (_AT, _place(stored.partition, stored.offset)), (_REASON, reason))
        headers = tuple((name, text.encode()) for name, text in marks)
        originals = tuple((_ORIGINAL + name, value) for name, value in stored.record.headers)
        try:
            self._producer.get().append(_PARTITION, Record(headers=headers + originals, value=stored.record.value))
        except TransientError:
            self._require("WRITE")  # says what is wrong, where that is the topic
            raise

    def find(self, partition: int, offset: int) -> Record | None:
        """Return a record of the log, from the log as long as it is there, else from the topic.

        Raises:
            LogUnavailableError: Try again.
            ConfigurationError: The brokers refuse this user.
        """
        if 0 <= partition < self._log.partitions and (record := self._log.record(partition, offset)) is not None:
            return record
        wanted = {(_LOG, self._log.uid().encode()), (_AT, _place(partition, offset).encode())}
        return next((_original(kept) for kept in self._all() if wanted <= set(kept.headers)), None)

    def close(self) -> None:
        """Close; returns soon, whatever the brokers do."""
        if self._producer.opened is not None:
            self._producer.opened.close()

    def _open(self) -> Producer:
        self._require("WRITE")
        return Producer(self._cluster, self._topic, max_record_bytes=self._max_record_bytes)

    def _require(self, operation: str) -> None:
        admin = connected(self._cluster, KafkaAdminClient)
        try:
            require(look_at(admin, self._topic), self._topic, {operation})
        finally:
            admin.close()

    def _all(self) -> Iterator[Record]:
        """Yield what is in the topic, the oldest first."""
        self._require("READ")
        doing = f"reading topic {self._topic}"
        consumer = connected(self._cluster, KafkaConsumer, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
        try:
            with explained(doing):
                place = TopicPartition(self._topic, _PARTITION)
                consumer.assign([place])
                consumer.seek_to_beginning(place)
                end = consumer.end_offsets([place])[place]
                while consumer.position(place) < end:
                    records = consumer.poll(timeout_ms=int(_SILENCE_S * 1000)).get(place)
                    if not records:
                        raise LogUnavailableError(f"{doing}: nothing came within {_SILENCE_S:g} s; trying again may help")
                    yield from (stored_record(record).record for record in records)
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)


def _place(partition: int, offset: int) -> str:
    return f"{partition}/{offset}"


def _original(kept: Record) -> Record:
    """Return a record as it stood in the log."""
    headers = tuple((name.removeprefix(_ORIGINAL), value) for name, value in kept.headers if name.startswith(_ORIGINAL))
    return Record(headers=headers, value=kept.value)
