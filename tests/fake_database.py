"""The worker's side of the database in memory, for tests: claims, positions and the fenced commit, with faults on demand."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from pipeline.errors import DatabaseUnavailableError, FencedError, SupersededError
from pipeline.types import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from pipeline.types import BatchResult, DeadLetter, LogGap, Visit

LANDED, LOST = "landed", "lost"
"""What becomes of a commit whose connection breaks."""


@dataclass
class Partition:
    """A row of `log_partition`, with the states that belong to it."""

    next_offset: int = 0
    epoch: int = 0
    holder: str | None = None
    crashes: int = 0
    suspect_offset: int | None = None
    suspect_count: int = 0
    states: dict[UUID, bytes] = field(default_factory=dict)


@dataclass
class MemoryDatabase:
    """What all workers share; every row ever written is kept, so that what is written twice shows."""

    partitions: dict[int, Partition]
    workers: dict[str, str] = field(default_factory=dict)  # slot -> its present incarnation
    results: list[BatchResult] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, partitions: int) -> MemoryDatabase:
        return cls(partitions={number: Partition() for number in range(partitions)})

    @property
    def positions(self) -> list[int]:
        return [self.partitions[number].next_offset for number in sorted(self.partitions)]

    @property
    def holders(self) -> list[str | None]:
        return [self.partitions[number].holder for number in sorted(self.partitions)]

    @property
    def visits(self) -> list[Visit]:
        return [visit for result in self.results for visit in result.visits]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [letter for result in self.results for letter in result.dead_letters]

    @property
    def log_gaps(self) -> list[LogGap]:
        return [gap for result in self.results for gap in result.log_gaps]


@dataclass
class MemoryClaims:
    """A `Claims`; `away` says how many of the next calls of a method fail before they do anything."""

    database: MemoryDatabase
    worker: str = "a:1"  # slot and incarnation
    away: Counter[str] = field(default_factory=Counter)
    released: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database.workers[self._slot] = self.worker

    def renew(self) -> None:
        self._answer("renew")
        if self.database.workers[self._slot] != self.worker:
            raise SupersededError(f"another runs in slot {self._slot}")

    def acquire(self) -> Sequence[Claim]:
        self._answer("acquire")
        with self.database.lock:
            live = self.database.workers.values()
            held = sum(partition.holder == self.worker for partition in self.database.partitions.values())
            free = [number for number, partition in sorted(self.database.partitions.items()) if partition.holder not in live]
            return [self._take(number) for number in free[: max(self._share() - held, 0)] if self.worker in live]

    def surplus(self, held: int) -> int:
        self._answer("surplus")
        return max(held - self._share(), 0)

    def release(self, claim: Claim) -> None:
        self._answer("release")
        with self.database.lock:
            partition = self.database.partitions[claim.partition]
            if (partition.holder, partition.epoch) == (self.worker, claim.epoch):
                partition.holder = None
                self.released.append(claim.partition)

    @property
    def _slot(self) -> str:
        return self.worker.split(":")[0]

    def _share(self) -> int:
        return -(-len(self.database.partitions) // len(self.database.workers))

    def _take(self, number: int) -> Claim:
        partition = self.database.partitions[number]
        partition.crashes += partition.holder is not None
        partition.epoch, partition.holder = partition.epoch + 1, self.worker
        return _moved(Claim(partition=number, epoch=partition.epoch, next_offset=0, crashes=0), partition)

    def _answer(self, method: str) -> None:
        if self.away[method] > 0:
            self.away[method] -= 1
            raise DatabaseUnavailableError("the database is away")


@dataclass
class MemoryFacts:
    """A `Facts`; `broken` says what becomes of the next commits, whose connection breaks; `away` as many other calls fail."""

    database: MemoryDatabase
    worker: str = "a:1"
    broken: deque[str] = field(default_factory=deque)
    away: int = 0

    def load(self, claim: Claim) -> Mapping[UUID, bytes]:
        self._answer()
        with self.database.lock:
            return dict(self.database.partitions[claim.partition].states)

    def trail(self, claim: Claim, most: int) -> Sequence[DeadLetter]:
        self._answer()
        with self.database.lock:
            letters = {letter.offset: letter for letter in self.database.dead_letters if letter.partition == claim.partition}
        before = takewhile(letters.__contains__, range(claim.next_offset - 1, claim.next_offset - 1 - most, -1))
        return [letters[offset] for offset in before]

    def suspect(self, claim: Claim, offset: int, count: int) -> Claim:
        self._answer()
        with self.database.lock:
            partition = self._held(claim)
            partition.suspect_offset, partition.suspect_count = offset, count
            return _moved(claim, partition)

    def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
        fate = self.broken.popleft() if self.broken else None
        with self.database.lock:
            partition = self._held(claim)
            if partition.next_offset != claim.next_offset:
                raise FencedError("the position is another")
            if fate != LOST:
                partition.crashes = partition.crashes if stay_careful else 0
                self._write(partition, to_offset, result)
            if fate is not None:
                raise DatabaseUnavailableError("the connection was lost")
            return _moved(claim, partition)

    def confirm(self, claim: Claim, to_offset: int) -> Claim:
        del to_offset
        self._answer()
        with self.database.lock:
            return _moved(claim, self._held(claim))

    def _held(self, claim: Claim) -> Partition:
        partition = self.database.partitions[claim.partition]
        if (partition.holder, partition.epoch) != (self.worker, claim.epoch):
            raise FencedError(f"partition {claim.partition} is another's")
        return partition

    def _write(self, partition: Partition, to_offset: int, result: BatchResult) -> None:
        partition.next_offset, partition.suspect_offset, partition.suspect_count = to_offset, None, 0
        self.database.results.append(result)
        for camera_id, state in result.states.items():
            if state is None:
                partition.states.pop(camera_id, None)
            else:
                partition.states[camera_id] = state

    def _answer(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise DatabaseUnavailableError("the database is away")


def _moved(claim: Claim, partition: Partition) -> Claim:
    return replace(
        claim,
        next_offset=partition.next_offset,
        crashes=partition.crashes,
        suspect_offset=partition.suspect_offset,
        suspect_count=partition.suspect_count,
    )
