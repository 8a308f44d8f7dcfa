"""The segment log on disk; imports ports, types, errors and metrics, and the parts beside it."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Self

from pipeline.adapters.locallog import identity as identities
from pipeline.adapters.locallog.identity import Identity, partition_folder
from pipeline.adapters.locallog.reader import PartitionReader
from pipeline.adapters.locallog.retention import delete_aged, delete_all, delete_surplus
from pipeline.adapters.locallog.writer import PartitionWriter, Rolling
from pipeline.errors import ConfigurationError, InvalidRecordError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.metrics import LOG_UNAVAILABLE
from pipeline.types import to_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.ports import Clock
    from pipeline.types import Record, StoredRecord

_FILE_MAX_BYTES = 64 * 2**20
_FILE_MIN_BYTES = 64 * 2**10
_FILES_PER_RETENTION = 4
_SWEEP_S = 1.0
_FIRST_POLL_S = 0.005
_LAST_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """What the writer of a log keeps to."""

    partitions: int
    retention_s: float  # a record is gone at most 1.25 of this after its append, while somebody writes
    max_bytes: int  # of all files together; the file that each partition writes is not deleted
    max_record_bytes: int  # headers and value
    fsync: bool = True  # False: an acknowledged record survives the process's death, not a power failure

    def rolling(self) -> Rolling:
        """Return when data files are rolled, so that retention can delete whole files."""
        share = self.max_bytes // (self.partitions * _FILES_PER_RETENTION)
        return Rolling(
            max_bytes=min(_FILE_MAX_BYTES, max(_FILE_MIN_BYTES, share)),
            max_age_ms=int(self.retention_s * 1000 / _FILES_PER_RETENTION),
            fsync=self.fsync,
        )


class LocalLog:
    """A `SegmentLog` in a folder: one process writes, any number read. A context manager."""

    def __init__(self, path: Path, *, clock: Clock, limits: LogLimits | None = None) -> None:
        """Open the log.

        Args:
            path: Its folder; a writer makes it.
            clock: For the records' age, and for waiting.
            limits: Those of the one writer; None opens for reading only.

        Raises:
            ConfigurationError: Another process writes, or the folder holds a log that cannot be used so.
            LogUnavailableError: There is no log yet, or the folder cannot be used for now.
        """
        self._path = path
        self._clock = clock
        self._limits = limits
        self._lock = Lock()  # over the readers' dictionary
        self._sweeping = Lock()
        self._swept_s = clock.monotonic()
        self._readers: dict[int, PartitionReader] = {}
        self._writers: list[PartitionWriter] = []
        self._writer_lock: int | None = None  # the descriptor that holds it
        with self._explained():
            self._identity = identities.load(path) if limits is None else self._open_to_write(limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and give the writer's lock back."""
        for writer in self._writers:
            writer.close()
        self._writers = []
        if self._writer_lock is not None:
            os.close(self._writer_lock)
            self._writer_lock = None

    @property
    def partitions(self) -> int:
        """How many partitions the log has."""
        return self._identity.partitions

    def uid(self) -> str:
        """Return "local:<uuid>"."""
        return self._identity.uid

    def offsets(self, partition: int) -> range:
        """Return the offsets from the oldest record that is still there up to the next one's."""
        reader = self._reader(partition)
        with self._explained():
            return range(reader.earliest(), reader.latest())

    def appended_us(self, partition: int, offset: int) -> int | None:
        """Return when the first record at or after `offset` was appended, UTC microseconds; reads it."""
        try:
            oldest = next(iter(self.read(partition, offset, max_bytes=1, timeout_s=0.0)), None)
        except OffsetOutOfRangeError as error:  # retention was faster
            return self.appended_us(partition, error.earliest) if offset < error.earliest else None
        return None if oldest is None else oldest.appended_us

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        """Return records from `offset` on, in order; looks again and again until `timeout_s` is over.

        A record whose bytes were damaged on the disk is returned as it is (its own checksum tells); where damage hides the
        frame itself, its offset is missing.

        Raises:
            OffsetOutOfRangeError: `offset` is below the oldest record's or beyond the next one's.
            LogUnavailableError: The log cannot be read for now.
        """
        reader = self._reader(partition)
        deadline_s = self._clock.monotonic() + timeout_s
        poll_s = _FIRST_POLL_S
        while True:
            with self._explained():
                records = reader.read(offset, max_bytes)
            left_s = deadline_s - self._clock.monotonic()
            if records or left_s <= 0:
                return records
            self._clock.sleep(min(poll_s, left_s))
            poll_s = min(2 * poll_s, _LAST_POLL_S)

    def append(self, partition: int, record: Record) -> int:
        """Append a record and return its offset once it survives the death of this process; in order per partition.

        Raises:
            InvalidRecordError: The record is larger than the log carries (reason "too_large").
            LogUnavailableError: It is not in the log, but a reader may have seen it: append it again.
            ConfigurationError: The log was opened for reading, or has no such partition.
        """
        writer, limits = self._writer(partition)
        if record.size > limits.max_record_bytes:
            raise InvalidRecordError("too_large", f"a record of {record.size} bytes is larger than the log's {limits.max_record_bytes}")
        with self._explained():
            offset = writer.append(record, self._now_ms())
        if writer.begins_file(offset) or self._clock.monotonic() - self._swept_s >= _SWEEP_S:
            with suppress(LogUnavailableError):  # the record is in; what could not be deleted is tried again
                self.expire()
        return offset

    def advance(self, partition: int, offset: int) -> None:
        """Give no record an offset below `offset`; for a position that was committed and outlived its records in a power failure.

        Raises:
            LogUnavailableError: The offset cannot be kept.
            ConfigurationError: The log was opened for reading, or has no such partition.
        """
        writer, _ = self._writer(partition)
        with self._explained():
            writer.advance(offset)

    def expire(self) -> None:
        """Delete what is older or more than the limits allow; appending does it now and then, a quiet writer should.

        Raises:
            LogUnavailableError: A file cannot be deleted.
        """
        if self._limits is None or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._swept_s = self._clock.monotonic()
            with self._explained():
                delete_aged(self._writers, now_ms=self._now_ms(), max_age_ms=int(self._limits.retention_s * 1000))
                delete_surplus(self._writers, max_bytes=self._limits.max_bytes)
        finally:
            self._sweeping.release()

    def clear(self) -> None:
        """Delete every record, for a writer whose readers are done: video need not wait for its retention. Offsets go on.

        Raises:
            LogUnavailableError: A file cannot be deleted.
        """
        with self._explained():
            delete_all(self._writers)

    def _open_to_write(self, limits: LogLimits) -> Identity:
        self._writer_lock = identities.lock_writer(self._path)
        try:
            identity = identities.make_or_extend(self._path, limits.partitions)
            rolling = limits.rolling()
            for partition in range(limits.partitions):
                folder = partition_folder(self._path, partition)
                self._writers.append(PartitionWriter(folder, rolling, identity.seed))
        except BaseException:
            self.close()
            raise
        return identity

    def _writer(self, partition: int) -> tuple[PartitionWriter, LogLimits]:
        if self._limits is None:
            raise ConfigurationError(f"the segment log in {self._path} was opened for reading; open it with limits to write")
        self._check(partition)
        return self._writers[partition], self._limits

    def _reader(self, partition: int) -> PartitionReader:
        self._check(partition)
        with self._lock:
            if partition not in self._readers:
                self._readers[partition] = PartitionReader(partition_folder(self._path, partition), partition, self._identity.seed)
            return self._readers[partition]

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self.partitions and self._limits is None:
            with self._explained():
                self._identity = identities.load(self._path)  # the writer may have added partitions
        if not 0 <= partition < self.partitions:
            raise ConfigurationError(f"the segment log in {self._path} has the partitions 0 to {self.partitions - 1}, not {partition}")

    def _now_ms(self) -> int:
        return to_us(self._clock.now()) // 1000

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            LOG_UNAVAILABLE.inc()
            raise LogUnavailableError(
                f"the segment log in {self._path} cannot be used: {error.strerror}; free space or fix its folder"
            ) from error
