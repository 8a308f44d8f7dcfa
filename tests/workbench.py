"""A worker on a log and a database in memory; each record is unreadable, so that it gives one dead letter with its offset."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.engine import Engine
from pipeline.errors import LogReplacedError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.lane import Equipment, Lane
from pipeline.settings import Settings
from pipeline.types import Record
from pipeline.worker import Worker
from tests.clocks import SteppedClock
from tests.fake_database import MemoryClaims, MemoryDatabase, MemoryFacts
from tests.fakes import MemoryLog, MemoryShelf
from tests.people import HueClassifier, HueDetector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.types import BatchResult, Claim, StoredRecord


class TickingClock(SteppedClock):
    """A clock on which each look takes a second."""

    def monotonic(self) -> float:
        self.step(1.0)
        return super().monotonic()


UNREADABLE = Record(headers=(), value=b"?")


@dataclass
class HoledLog(MemoryLog):
    """A log that retention has shortened, or that ends with a hole."""

    first: int = 0
    hole: int = 0  # offsets behind the last record that no record will get
    away: int = 0  # so many calls of latest fail from now on
    replaced: bool = False  # it was made anew
    reads: Counter[tuple[int, int]] = field(default_factory=Counter)  # how often it was read from partition and offset

    def offsets(self, partition: int) -> range:
        self._live()
        with self._lock:
            if self.away > 0:
                self.away -= 1
                raise LogUnavailableError("the log is away")
        return range(self.first, super().offsets(partition).stop + self.hole)

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        self._live()
        self.reads[partition, offset] += 1
        if offset < self.first:
            raise OffsetOutOfRangeError(partition, offset, self.first, self.offsets(partition).stop)
        if super().offsets(partition).stop < offset <= self.offsets(partition).stop:
            return []
        return super().read(partition, offset, max_bytes=max_bytes, timeout_s=timeout_s)

    def _live(self) -> None:
        if self.replaced:
            raise LogReplacedError("the topic was made anew")


@dataclass
class Bench:
    """A worker and all that it works with."""

    partitions: int = 1
    settings: Settings = field(default_factory=lambda: Settings(commit_segments=2, renew_s=0.01, lanes=8))
    log: HoledLog = field(default_factory=HoledLog)
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    clock: SteppedClock = field(default_factory=SteppedClock)
    stop: threading.Event = field(default_factory=threading.Event)
    points: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    on_point: Callable[[str], None] = lambda _: None
    committed: list[BatchResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = MemoryDatabase.of(self.partitions)
        self.claims = MemoryClaims(self.database)
        self.facts = MemoryFacts(self.database)
        self.classifier = HueClassifier()

    def fill(self, *counts: int) -> Bench:
        """Append so many unreadable records to each partition."""
        for partition, count in enumerate(counts):
            for _ in range(count):
                self.log.append(partition, UNREADABLE)
        return self

    @property
    def equipment(self) -> Equipment:
        return Equipment(
            log=self.log,
            shelf=self.shelf,
            facts=self.facts,
            engine=Engine(HueDetector(), self.settings),
            classifier=self.classifier,
            settings=self.settings,
            clock=self.clock,
            stop=self.stop,
            at=self._at,
            notice=self.notices.append,
        )

    def lane(self) -> Lane:
        (claim,) = self.claims.acquire()
        return self.lane_of(claim)

    def lane_of(self, claim: Claim) -> Lane:
        return Lane(claim, self.equipment)

    def worker(self) -> Worker:
        return Worker(self.claims, self.equipment, self.committed.append)

    def run_to_the_end(self) -> None:
        fed = threading.Event()
        fed.set()
        self.worker().run(until_end=fed)

    def run_while_another_takes_partition_0(self) -> None:
        """Run to the end; before the first commit worker b has taken a partition over."""
        taken = threading.Event()

        def take_over(point: str) -> None:
            if point == "before_commit" and not taken.is_set():
                taken.set()
                self.database.workers["b"] = "b:1"
                self.database.partitions[0].holder = "b:1"

        self.on_point = take_over
        self.run_to_the_end()

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Partition and offset of every dead letter that was ever written."""
        return sorted((letter.partition, letter.offset) for letter in self.database.dead_letters)

    def _at(self, point: str) -> None:
        self.points.append(point)
        self.on_point(point)


def each(*counts: int) -> list[tuple[int, int]]:
    return [(partition, offset) for partition, count in enumerate(counts) for offset in range(count)]
