"""What is held of one partition between its brokers and its reader; pure, imports types only."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import StoredRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A record that was fetched."""

    stored: StoredRecord
    fetched_s: float  # when, by `time.monotonic()`
    size: int  # bytes


class Window:
    """A run of a partition's records. What was taken stays until the reader asks for what follows: it may ask again.

    Args:
        partition: Of the topic.
        offset: Where it begins.
        asked_s: When it was asked for, by `time.monotonic()`.
    """

    def __init__(self, partition: int, offset: int, asked_s: float) -> None:
        self.partition = partition
        self.asked_s = asked_s
        self.position = offset  # the offset that is fetched next
        self.seek_to: int | None = offset  # where the consumer must be put first
        self.out_of_range = False  # the brokers do not have what is at the position
        self.waiting = False  # somebody reads, and there is nothing
        self.size = 0  # bytes that are held
        self.unread = 0  # bytes of them that nobody has taken
        self._records: deque[Held] = deque()
        self._begin = offset  # what lies before was let go
        self._taken_to = offset

    def ask(self, offset: int) -> None:
        """Let go of what lies before `offset`; begin anew where it lies outside of what is held and fetched next."""
        if not self._begin <= offset <= self.position:
            self.restart(offset)
        while self._records and self._records[0].stored.offset < offset:
            held = self._records.popleft()
            self.size -= held.size
            self.unread -= held.size if held.stored.offset >= self._taken_to else 0
        self._begin = offset
        self._taken_to = max(self._taken_to, offset)

    def restart(self, offset: int | None = None) -> None:
        """Let go of everything, and fetch from `offset` on; None: from where the reader is."""
        self._begin = self._taken_to = self.position = self._begin if offset is None else offset
        self.seek_to = self.position
        self.out_of_range = False
        self._records.clear()
        self.size = self.unread = 0

    def add(self, records: Sequence[StoredRecord], fetched_s: float) -> None:
        """Hold what was fetched; it follows what is held."""
        for stored in records:
            size = stored.record.size
            self._records.append(Held(stored=stored, fetched_s=fetched_s, size=size))
            self.size += size
            self.unread += size
        if records:
            self.position = records[-1].offset + 1

    def has(self, verified_s: float) -> bool:
        """Tell whether there is something to take."""
        return bool(self._records) and self._records[0].fetched_s <= verified_s

    def take(self, max_bytes: int, verified_s: float) -> list[StoredRecord]:
        """Return records from the beginning on that were fetched by `verified_s`: at least one where there is one."""
        taken: list[StoredRecord] = []
        left = max_bytes
        for held in self._records:
            if held.fetched_s > verified_s or (taken and held.size > left):
                break
            left -= held.size
            taken.append(held.stored)
            if held.stored.offset >= self._taken_to:
                self.unread -= held.size
                self._taken_to = held.stored.offset + 1
        return taken

    def stamp(self, offset: int) -> int | None:
        """Return when the first record at or after `offset` was appended, UTC microseconds; None where that is not held."""
        if not self._begin <= offset < self.position:
            return None
        return next((held.stored.appended_us for held in self._records if held.stored.offset >= offset), None)
