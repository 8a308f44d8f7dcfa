"""A data file of a partition, opened for reading: frames in order, found again behind damage; imports the frame's form only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.adapters.locallog.frame import HEADER_BYTES, MAGIC, FrameHeader, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX = ".segments"
_SEARCH_BYTES = 2**20


def data_path(folder: Path, base: int) -> Path:
    """Return where the data file lies whose first record has offset `base` or more."""
    return folder / f"{base:020d}{_SUFFIX}"


def data_bases(folder: Path) -> list[int]:
    """Return the bases of a partition's data files, ascending."""
    names = (name for name in os.listdir(folder) if name.endswith(_SUFFIX))  # noqa: PTH208 - half the cost of iterdir, on each poll
    return sorted(int(name.removesuffix(_SUFFIX)) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A frame and where it begins in its file."""

    header: FrameHeader
    position: int  # bytes

    @property
    def body_position(self) -> int:
        """Where the body begins, bytes."""
        return self.position + HEADER_BYTES

    @property
    def end(self) -> int:
        """Where the next frame begins, bytes."""
        return self.body_position + self.header.body_bytes


class DataFile:
    """A data file opened for reading; a context manager. Its deletion meanwhile does no harm."""

    def __init__(self, folder: Path, base: int, seed: int) -> None:
        self.base = base
        self._descriptor = os.open(data_path(folder, base), os.O_RDONLY)
        self._seed = seed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def size(self) -> int:
        """Return the file's present length, bytes."""
        return os.fstat(self._descriptor).st_size

    def body(self, place: Place) -> bytes:
        """Return the body of a frame that `places` found."""
        return os.pread(self._descriptor, place.header.body_bytes, place.body_position)

    def places(self, position: int = 0, offset: int = 0) -> Iterator[Place]:
        """Yield the whole frames from `position` on, with offsets that grow from `offset` on; damage between them is passed over."""
        while (place := self._next(position, offset)) is not None:
            yield place
            position, offset = place.end, place.header.offset + 1

    def _next(self, position: int, offset: int) -> Place | None:
        size = self.size()
        while position + HEADER_BYTES <= size:
            header = parse_header(os.pread(self._descriptor, HEADER_BYTES, position), self._seed)
            if header is not None and header.offset >= offset:
                place = Place(header=header, position=position)
                if place.end <= size:
                    return place
            position = self._find_magic(position + 1, size)
        return None

    def _find_magic(self, position: int, size: int) -> int:
        while position < size:
            chunk = os.pread(self._descriptor, _SEARCH_BYTES + len(MAGIC) - 1, position)
            if (found := chunk.find(MAGIC)) >= 0:
                return position + found
            position += _SEARCH_BYTES
        return size
