"""Appends to one partition; imports the data file's form, ports and types."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from pipeline.adapters.locallog.datafile import DataFile, Place, data_bases, data_path
from pipeline.adapters.locallog.frame import encode, is_intact

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """When a data file is closed and the next one begun, and whether the disk must have each record."""

    max_bytes: int
    max_age_ms: int
    fsync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFile:
    """A data file that grows no more."""

    base: int
    size: int  # bytes
    newest_ms: int  # UTC at which its last record was appended, milliseconds since the epoch; 0: it holds none


class PartitionWriter:
    """Appends to one partition. Safe to use from several threads; the log's lock keeps other processes out.

    An offset whose append failed is not used again: a reader may have seen the record before it was cut away. A tail that was
    torn by the death of an earlier writer was never seen, so that its offset is free.
    """

    def __init__(self, folder: Path, rolling: Rolling, seed: int) -> None:
        self._folder = folder
        self._rolling = rolling
        self._seed = seed
        self._lock = Lock()
        self._newest_ms: dict[int, int] = {}  # of closed files, by base
        self._base = next(reversed(data_bases(folder)), 0)
        self._next = self._size = self._first_ms = self._last_ms = 0
        self._torn = False  # an append failed: the file holds more than `_size` bytes, or held them
        self._descriptor = self._open(self._base)
        self._recover()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            os.close(self._descriptor)

    def append(self, record: Record, now_ms: int) -> int:
        """Append a record and return its offset; in order, and on the disk where `fsync` asks for it.

        Raises:
            OSError: Nothing was appended.
        """
        with self._lock:
            self._prepare(now_ms)
            offset = self._next
            frame = encode(record, offset=offset, appended_ms=now_ms, seed=self._seed)
            self._next += 1
            self._torn = True
            try:
                self._write(frame)
            except OSError:
                with suppress(OSError):  # the next append cuts again
                    os.ftruncate(self._descriptor, self._size)
                raise
            self._torn = False
            self._size += len(frame)
            self._first_ms, self._last_ms = self._first_ms or now_ms, now_ms
            return offset

    def advance(self, offset: int) -> None:
        """Give no record an offset below `offset`.

        Raises:
            OSError: The file that keeps the offset cannot be made.
        """
        with self._lock:
            if self._next < offset:
                self._next = offset
                self._cut()

    def roll(self, now_ms: int) -> None:
        """Begin a new file where the present one has reached its age, so that retention can take it from a quiet partition."""
        with self._lock:
            self._prepare(now_ms)

    def seal(self) -> None:
        """Begin a new file, so that all records can be deleted."""
        with self._lock:
            if self._torn:
                self._cut()
            elif self._size:
                self._begin_file()

    def oldest(self) -> ClosedFile | None:
        """Return the oldest file that grows no more, or None."""
        base = data_bases(self._folder)[0]
        if base == self._base:
            return None
        return ClosedFile(base=base, size=data_path(self._folder, base).stat().st_size, newest_ms=self._newest(base))

    def drop(self, closed: ClosedFile) -> None:
        """Delete a closed file."""
        data_path(self._folder, closed.base).unlink(missing_ok=True)
        self._newest_ms.pop(closed.base, None)

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(data_path(self._folder, base).stat().st_size for base in data_bases(self._folder))

    def begins_file(self, offset: int) -> bool:
        """Tell whether the record at `offset` is the first of the present file."""
        return offset == self._base

    def _recover(self) -> None:
        first, last = self._ends()
        self._size = last.end if last else 0
        self._first_ms = first.header.appended_ms if first else 0
        self._last_ms = last.header.appended_ms if last else 0
        self._next = last.header.offset + 1 if last else self._base
        os.ftruncate(self._descriptor, self._size)

    def _ends(self) -> tuple[Place | None, Place | None]:
        """Return the first and the last whole frame; a last one whose body is damaged was never acknowledged and does not count."""
        first = last = before = None
        with DataFile(self._folder, self._base, self._seed) as file:
            for place in file.places():
                first, before, last = first or place, last, place
            if last and not is_intact(last.header, file.body(last)):
                return (first if before else None), before
        return first, last

    def _prepare(self, now_ms: int) -> None:
        if self._torn:
            self._cut()
        elif self._size >= self._rolling.max_bytes or (self._size and now_ms - self._first_ms >= self._rolling.max_age_ms):
            self._begin_file()

    def _cut(self) -> None:
        os.ftruncate(self._descriptor, self._size)
        self._begin_file()
        self._torn = False

    def _begin_file(self) -> None:
        """Begin the file whose name keeps the next offset, whatever becomes of the others."""
        descriptor, base = self._open(self._next), self._base
        os.close(self._descriptor)
        was_empty, self._newest_ms[base] = self._size == 0, self._last_ms
        self._descriptor, self._base = descriptor, self._next
        self._size = self._first_ms = self._last_ms = 0
        if was_empty:  # else the earliest offset would be one that no record has
            data_path(self._folder, base).unlink(missing_ok=True)

    def _open(self, base: int) -> int:
        descriptor = os.open(data_path(self._folder, base), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if self._rolling.fsync:
                sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _write(self, frame: bytes) -> None:
        rest, position = memoryview(frame), self._size
        while rest:
            written = os.pwrite(self._descriptor, rest, position)
            rest, position = rest[written:], position + written
        if self._rolling.fsync:
            os.fdatasync(self._descriptor)

    def _newest(self, base: int) -> int:
        if base not in self._newest_ms:
            with DataFile(self._folder, base, self._seed) as file:
                self._newest_ms[base] = max((place.header.appended_ms for place in file.places()), default=0)
        return self._newest_ms[base]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
