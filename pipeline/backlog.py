"""How much of what this process appended is not analysed yet, partition by partition; imports nothing of ours."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class _Partition:
    bytes: int = 0  # held and appended
    appended: list[tuple[int, int]] = field(default_factory=list)  # heap of (offset, bytes): threads are told out of order


class Backlog:
    """Bytes that are on their way into the log, or in it and not yet analysed. Safe to use from several threads.

    A segment is let in while no more than the limit is there already, so that each gets in at last, however large it is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._partitions: defaultdict[int, _Partition] = defaultdict(_Partition)

    def hold(self, partition: int, size: int) -> bool:
        """Take room for `size` bytes; return False where there is none."""
        with self._lock:
            held = self._partitions[partition]
            if held.bytes > self._max_bytes:
                return False
            held.bytes += size
            return True

    def appended(self, partition: int, size: int, offset: int) -> None:
        """Say that the `size` bytes that were held are in the log at `offset`."""
        with self._lock:
            heapq.heappush(self._partitions[partition].appended, (offset, size))

    def dropped(self, partition: int, size: int) -> None:
        """Say that the `size` bytes that were held will not be in the log."""
        with self._lock:
            self._partitions[partition].bytes -= size

    def committed(self, partition: int, position: int) -> bool:
        """Forget what lies before the partition's committed position; return whether there was anything."""
        with self._lock:
            held = self._partitions[partition]
            before = len(held.appended)
            while held.appended and held.appended[0][0] < position:
                held.bytes -= heapq.heappop(held.appended)[1]
            return len(held.appended) < before
