"""Remembers where offsets lie in the data files of a partition; imports nothing of ours."""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass
from threading import Lock

_SPARSE_BYTES = 2**20
_RECENT = 16
_LAST_POSITION = 2**63


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """In the file `base`, the frames from `offset` on begin at `position` or behind it."""

    base: int
    offset: int
    position: int  # bytes


class Marks:
    """The exact places that were passed last, and one for each MiB of each file. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: deque[Mark] = deque(maxlen=_RECENT)
        self._sparse: list[Mark] = []  # ascending

    def add(self, mark: Mark) -> None:
        """Remember a place."""
        with self._lock:
            self._recent.append(mark)
            index = bisect.bisect(self._sparse, mark)
            before = self._sparse[index - 1] if index and self._sparse[index - 1].base == mark.base else Mark(mark.base, mark.base, 0)
            after = self._sparse[index].position if index < len(self._sparse) and self._sparse[index].base == mark.base else _LAST_POSITION
            if before.position + _SPARSE_BYTES <= mark.position <= after - _SPARSE_BYTES:
                self._sparse.insert(index, mark)

    def nearest(self, base: int, offset: int) -> Mark:
        """Return the last known place in the file `base` that does not lie behind `offset`."""
        with self._lock:
            index = bisect.bisect(self._sparse, Mark(base, offset, _LAST_POSITION))
            known = [*self._recent, *self._sparse[max(index - 1, 0) : index]]
        return max((mark for mark in known if mark.base == base and mark.offset <= offset), default=Mark(base, base, 0))

    def forget_before(self, base: int) -> None:
        """Forget the files before `base`: they were deleted."""
        with self._lock:
            del self._sparse[: bisect.bisect_left(self._sparse, Mark(base, 0, 0))]
