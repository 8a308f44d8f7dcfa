"""What every `SegmentLog` must do: the suite that each implementation's test class inherits."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import pytest

from pipeline.errors import InvalidRecordError, OffsetOutOfRangeError
from pipeline.types import Record, to_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.ports import SegmentLog
    from pipeline.types import StoredRecord

MAX_RECORD_BYTES = 64 * 1024
PARTITIONS = 3
_MIB = 2**20


def numbered(number: int, size: int = 20) -> Record:
    """Return a record that its number tells from all others."""
    return Record(headers=(("number", str(number).encode()), ("kind", b"gop")), value=bytes([number % 256]) * size)


def read_all(log: SegmentLog, partition: int, offset: int = 0, *, timeout_s: float = 0.0) -> list[StoredRecord]:
    """Read something, and then up to where the log ends."""
    records: list[StoredRecord] = []
    while taken := log.read(partition, offset, max_bytes=_MIB, timeout_s=timeout_s):
        records += taken
        offset = taken[-1].offset + 1
        if offset >= log.offsets(partition).stop:
            break
    return records


class LogPlace(Protocol):
    """A place where one new log of `PARTITIONS` partitions lives for one test."""

    def writer(self) -> SegmentLog:
        """Return the log opened to write; the previous writer is closed first."""
        ...

    def reader(self) -> SegmentLog:
        """Return a further client of the log."""
        ...


class SegmentLogContract(ABC):
    """The tests. `timeout_s` is what an implementation needs to deliver what it has."""

    timeout_s = 0.0

    @pytest.fixture
    @abstractmethod
    def place(self) -> Iterator[LogPlace]:
        """Provide a new log's place, and close what was opened there."""

    def all_of(self, log: SegmentLog, partition: int = 0, offset: int = 0) -> Sequence[StoredRecord]:
        return read_all(log, partition, offset, timeout_s=self.timeout_s)

    def test_an_empty_partition_begins_and_ends_at_the_same_offset(self, place: LogPlace) -> None:
        log = place.writer()
        assert log.offsets(0).start == log.offsets(0).stop == 0
        assert list(log.read(0, 0, max_bytes=_MIB, timeout_s=self.timeout_s)) == []

    def test_records_come_back_whole_and_in_order(self, place: LogPlace) -> None:
        log = place.writer()
        sent = [
            numbered(0),
            Record(headers=(), value=b"without headers"),
            Record(headers=(("twice", b"a"), ("twice", b"b"), ("é", b"")), value=b""),
            numbered(3, size=10_000),
        ]
        offsets = [log.append(1, record) for record in sent]
        stored = self.all_of(log, 1)
        assert [entry.record for entry in stored] == sent
        assert [entry.offset for entry in stored] == offsets == sorted(set(offsets))
        assert {entry.partition for entry in stored} == {1}
        assert log.offsets(1).stop == offsets[-1] + 1

    def test_partitions_are_independent(self, place: LogPlace) -> None:
        log = place.writer()
        for number in range(6):
            log.append(number % PARTITIONS, numbered(number))
        for partition in range(PARTITIONS):
            assert [entry.record for entry in self.all_of(log, partition)] == [numbered(partition), numbered(partition + PARTITIONS)]

    def test_reading_begins_anywhere(self, place: LogPlace) -> None:
        log = place.writer()
        offsets = [log.append(0, numbered(number)) for number in range(8)]
        for number in (7, 2, 5, 0):
            assert self.all_of(log, 0, offsets[number])[0].record == numbered(number)

    def test_the_end_is_empty_and_behind_it_is_out_of_range(self, place: LogPlace) -> None:
        log = place.writer()
        log.append(0, numbered(0))
        end = log.offsets(0).stop
        assert list(log.read(0, end, max_bytes=_MIB, timeout_s=0.0)) == []
        with pytest.raises(OffsetOutOfRangeError) as raised:
            log.read(0, end + 1, max_bytes=_MIB, timeout_s=self.timeout_s)
        assert (raised.value.partition, raised.value.offset, raised.value.latest) == (0, end + 1, end)

    def test_max_bytes_bounds_a_read_but_never_to_nothing(self, place: LogPlace) -> None:
        log = place.writer()
        for number in range(5):
            log.append(0, numbered(number, size=1000))
        assert len(log.read(0, 0, max_bytes=1, timeout_s=self.timeout_s)) == 1
        assert 1 <= len(log.read(0, 0, max_bytes=2500, timeout_s=self.timeout_s)) <= 2
        assert len(self.all_of(log)) == 5

    def test_a_record_of_the_largest_size_passes_and_a_larger_one_is_refused(self, place: LogPlace) -> None:
        log = place.writer()
        log.append(0, Record(headers=(), value=bytes(MAX_RECORD_BYTES)))
        with pytest.raises(InvalidRecordError) as raised:
            log.append(0, Record(headers=(), value=bytes(2 * MAX_RECORD_BYTES)))
        assert raised.value.reason == "too_large"
        log.append(0, numbered(1))
        assert [len(entry.record.value) for entry in self.all_of(log)] == [MAX_RECORD_BYTES, 20]

    def test_a_record_says_when_it_was_appended(self, place: LogPlace) -> None:
        log = place.writer()
        log.append(0, numbered(1))
        log.append(0, numbered(2))
        first, second = (stored.appended_us for stored in read_all(log, 0, timeout_s=self.timeout_s))
        assert first is not None
        assert second is not None
        assert to_us(datetime(2025, 1, 1, tzinfo=UTC)) < first <= second

    def test_when_a_record_was_appended_can_be_asked_without_reading_it(self, place: LogPlace) -> None:
        log = place.writer()
        offsets = [log.append(0, numbered(number)) for number in range(3)]
        stored = self.all_of(log)
        assert [log.appended_us(0, offset) for offset in offsets] == [entry.appended_us for entry in stored]
        assert log.appended_us(0, log.offsets(0).stop) is None

    def test_what_was_appended_survives_reopening(self, place: LogPlace) -> None:
        log = place.writer()
        uid, first = log.uid(), log.append(0, numbered(0))
        log = place.writer()
        assert log.uid() == uid
        second = log.append(0, numbered(1))
        assert second > first
        assert [entry.offset for entry in self.all_of(log)] == [first, second]

    def test_another_client_sees_what_is_appended_after_it_opened(self, place: LogPlace) -> None:
        writer = place.writer()
        reader = place.reader()
        assert list(reader.read(0, 0, max_bytes=_MIB, timeout_s=0.0)) == []
        for number in range(3):
            offset = writer.append(0, numbered(number))
            assert self.all_of(reader, 0, offset)[0].record == numbered(number)
        assert reader.uid() == writer.uid()
        assert reader.offsets(0).stop == writer.offsets(0).stop

    def test_threads_append_without_loss_each_in_its_order(self, place: LogPlace) -> None:
        log = place.writer()

        def append(thread: int) -> list[int]:
            return [log.append(0, numbered(1000 * thread + number)) for number in range(20)]

        with ThreadPoolExecutor(4) as pool:
            offsets = list(pool.map(append, range(4)))
        assert all(own == sorted(own) for own in offsets)
        assert [entry.offset for entry in self.all_of(log)] == sorted(itertools.chain(*offsets))

    def test_threads_read_independently(self, place: LogPlace) -> None:
        log = place.writer()
        for number in range(50):
            log.append(0, numbered(number))
        with ThreadPoolExecutor(4) as pool:
            starts = [0, 10, 25, 49]
            counts = list(pool.map(lambda start: len(self.all_of(log, 0, start)), starts))
        assert counts == [50 - start for start in starts]
