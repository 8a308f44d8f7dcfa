"""Reads one partition from its data files, without a lock against the writer; imports the data file's form, types and errors.

What a reader may meet: whole frames; the beginning of one that is being written, and a last one that a power failure tore
(both count as not there: the next writer gives the torn one's offset to another record); files that retention deletes. The
files are listed before they are read, so that a file which is not the last of the listing is known to grow no more.
"""

from __future__ import annotations

import bisect
import errno
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from pipeline.adapters.locallog.datafile import DataFile, data_bases
from pipeline.adapters.locallog.frame import decode_body, is_intact
from pipeline.adapters.locallog.marks import Mark, Marks
from pipeline.errors import OffsetOutOfRangeError
from pipeline.types import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from pipeline.adapters.locallog.datafile import Place

_PAST_ALL = 2**64
_T = TypeVar("_T")


class PartitionReader:
    """Reads one partition. Safe to use from several threads."""

    def __init__(self, folder: Path, partition: int, seed: int) -> None:
        self._folder = folder
        self._partition = partition
        self._seed = seed
        self._marks = Marks()

    def earliest(self) -> int:
        """Return the first offset of the oldest file: its first record's, or of an empty file the next one's.

        Raises:
            OSError: The partition cannot be read.
        """
        return self._bases()[0]

    def latest(self) -> int:
        """Return the offset behind the last whole frame.

        Raises:
            OSError: The partition cannot be read.
        """
        return self._look(self._latest)

    def read(self, offset: int, max_bytes: int) -> list[StoredRecord]:
        """Return the records from `offset` on that are there now, at least one where there is one.

        Raises:
            OffsetOutOfRangeError: The offset lies outside what the partition holds.
            OSError: The partition cannot be read.
        """
        return self._look(lambda bases: self._read(bases, offset, max_bytes))

    def _look(self, look: Callable[[list[int]], _T]) -> _T:
        try:
            return look(self._bases())
        except FileNotFoundError:  # retention took a file between the listing and its opening
            return look(self._bases())

    def _bases(self) -> list[int]:
        if bases := data_bases(self._folder):
            return bases
        raise FileNotFoundError(errno.ENOENT, "its writer has not made this partition yet", str(self._folder))

    def _latest(self, bases: list[int]) -> int:
        offset = self._marks.nearest(bases[-1], _PAST_ALL).offset
        with DataFile(self._folder, bases[-1], self._seed) as file:
            for place in self._places(file, _PAST_ALL, grows=True):
                offset = place.header.offset + 1
        return offset

    def _read(self, bases: list[int], offset: int, max_bytes: int) -> list[StoredRecord]:
        self._marks.forget_before(bases[0])
        if offset < bases[0]:
            raise self._out_of_range(bases, offset)
        with closing(self._frames(bases, offset)) as frames:
            records = list(self._taken(frames, max_bytes))
        if not records and offset > self._latest(bases):
            raise self._out_of_range(bases, offset)
        return records

    def _taken(self, frames: Iterator[tuple[DataFile, Place]], max_bytes: int) -> Iterator[StoredRecord]:
        left = max_bytes
        for file, place in frames:
            header = place.header
            if header.body_bytes > left and left < max_bytes:
                return
            left -= header.body_bytes
            record = decode_body(header, file.body(place))
            yield StoredRecord(partition=self._partition, offset=header.offset, record=record, appended_us=header.appended_ms * 1000)

    def _frames(self, bases: list[int], offset: int) -> Generator[tuple[DataFile, Place], None, None]:
        for base in bases[bisect.bisect_right(bases, offset) - 1 :]:
            with DataFile(self._folder, base, self._seed) as file:
                for place in self._places(file, offset, grows=base == bases[-1]):
                    if place.header.offset >= offset:
                        yield file, place

    def _places(self, file: DataFile, offset: int, *, grows: bool) -> Iterator[Place]:
        mark = self._marks.nearest(file.base, offset)
        for place in file.places(mark.position, mark.offset):
            if grows and place.end == file.size() and not is_intact(place.header, file.body(place)):
                return  # torn by a power failure, and not to be remembered: the next writer cuts it
            self._marks.add(Mark(file.base, place.header.offset + 1, place.end))
            yield place

    def _out_of_range(self, bases: list[int], offset: int) -> OffsetOutOfRangeError:
        return OffsetOutOfRangeError(self._partition, offset, bases[0], self._latest(bases))
