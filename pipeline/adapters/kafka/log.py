"""The segment log in a topic of Kafka; imports ports, types, errors and the parts beside it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pipeline.adapters.kafka.bounds import Bounds
from pipeline.adapters.kafka.opening import Opening
from pipeline.adapters.kafka.peek import Peek
from pipeline.adapters.kafka.producer import Producer
from pipeline.adapters.kafka.reader import Beside, Reader, ReadLimits
from pipeline.adapters.kafka.watch import Watch
from pipeline.errors import ConfigurationError, LogUnavailableError
from pipeline.metrics import LOG_UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.types import Record, StoredRecord

_VERIFY_S = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic, and what this process does with it."""

    name: str
    max_record_bytes: int  # headers and value
    writes: bool = False  # else it is opened for reading only
    read_limits: ReadLimits = field(default_factory=ReadLimits)


class KafkaLog:
    """A `SegmentLog` in a topic that is there already. A context manager.

    What reads and what appends connects when it is first used, so that who only writes does not read ahead.

    Args:
        cluster: The brokers.
        topic: What is opened.

    Raises:
        LogUnavailableError: There is no such topic, or no broker answers.
        ConfigurationError: The brokers refuse this user, or a permission is missing.
    """

    def __init__(self, cluster: Cluster, topic: Topic) -> None:
        self._cluster = cluster
        self._topic = topic
        self._reader = Opening(self._open_reader)
        self._producer = Opening(self._open_producer)
        self._stamps: dict[int, tuple[int, int | None]] = {}  # partition -> offset and stamp that were asked for last
        with ExitStack() as stack:
            self._watch = Watch(cluster, topic.name, needs={"WRITE" if topic.writes else "READ"}, on_look=self._on_look)
            stack.callback(self._watch.close)
            self._bounds = Bounds(cluster, topic.name, partitions=self._watch.partitions, on_trouble=self._watch.want)
            stack.pop_all()
        self._peek = Peek(cluster, topic.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; returns soon, whatever the brokers do."""
        for part in (self._reader.opened, self._producer.opened, self._peek, self._bounds, self._watch):
            if part is not None:
                part.close()

    @property
    def partitions(self) -> int:
        """How many partitions the topic has."""
        return self._watch.partitions

    def uid(self) -> str:
        """Return "kafka:<cluster id>/<topic id>"."""
        return self._watch.uid

    def offsets(self, partition: int) -> range:
        """Return where a partition begins and ends, about a second old at most; as its records flow, newer."""
        with self._checked(partition):
            if self._reader.opened is not None:
                self._reader.opened.touch(partition)
            return self._bounds.of(partition)

    def appended_us(self, partition: int, offset: int) -> int | None:
        """Return when the first record at or after `offset` was appended; from what was read, else it is fetched."""
        with self._checked(partition):
            held = None if self._reader.opened is None else self._reader.opened.stamp(partition, offset)
            if held is not None:
                return held
            if offset >= self._bounds.of(partition).stop:
                return None
            last_offset, stamp = self._stamps.get(partition, (-1, None))
            if stamp is None or last_offset != offset:
                stamp = self._fetched_stamp(partition, offset)
                self._stamps[partition] = offset, stamp
            return stamp

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        """Return records from `offset` on, in order, that are known to be of the topic that was opened."""
        with self._checked(partition):
            return self._reader.get().read(partition, offset, max_bytes=max_bytes, timeout_s=timeout_s)

    def append(self, partition: int, record: Record) -> int:
        """Append a record and return its offset once as many brokers have it as the topic asks for."""
        if not self._topic.writes:
            raise ConfigurationError(f"topic {self._topic.name} was opened for reading; open it to write")
        with self._checked(partition):
            offset = self._producer.get().append(partition, record)
            self._bounds.grew(partition, offset + 1)
            return offset

    def record(self, partition: int, offset: int) -> Record | None:
        """Return the record at a place, beside what is read; None: it is not there, or no more.

        Raises:
            LogUnavailableError: It cannot be fetched for now.
            LogReplacedError: The topic was made anew.
        """
        with self._checked(partition):
            bounds = self._bounds.fresh(partition)
            stored = self._peek.first(partition, offset) if offset in bounds else None
            self._watch.verify(_VERIFY_S)
            return None if stored is None or stored.offset != offset else stored.record

    def _open_reader(self) -> Reader:
        self._watch.need("READ")
        beside = Beside(watch=self._watch, bounds=self._bounds, peek=self._peek)
        return Reader(self._cluster, self._topic.name, beside=beside, limits=self._topic.read_limits)

    def _open_producer(self) -> Producer:
        most = self._topic.max_record_bytes
        return Producer(self._cluster, self._topic.name, max_record_bytes=most, on_trouble=self._watch.want)

    @contextmanager
    def _checked(self, partition: int) -> Iterator[None]:
        """Refuse what the watch has found, and partitions that are not there; count what may pass."""
        try:
            self._watch.check()
            if not 0 <= partition < self._watch.partitions:
                self._watch.verify(_VERIFY_S)  # some may have been added
            if not 0 <= partition < self._watch.partitions:
                raise ConfigurationError(f"topic {self._topic.name} has the partitions 0 to {self._watch.partitions - 1}, not {partition}")
            yield
        except LogUnavailableError:
            LOG_UNAVAILABLE.inc()
            raise

    def _fetched_stamp(self, partition: int, offset: int) -> int | None:
        stored = self._peek.first(partition, offset)
        if stored is None:  # retention was faster, or the record is damaged: then the next one says how long it waits
            bounds = self._bounds.fresh(partition)
            behind = max(bounds.start, offset + 1)
            stored = self._peek.first(partition, behind) if behind in bounds else None
        return None if stored is None else stored.appended_us

    def _on_look(self) -> None:
        """Wake those who wait for a look, and keep the producer from searching for a topic that is gone."""
        if self._reader.opened is not None:
            self._reader.opened.tell()
        if self._producer.opened is not None and self._watch.missing:
            self._producer.opened.pause()
