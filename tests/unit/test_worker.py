"""The worker's loop on a log and a database in memory; each record gives one dead letter with its offset."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError, DatabaseUnavailableError, HungError, SupersededError
from pipeline.settings import Settings
from tests.fake_database import LANDED, LOST, MemoryFacts
from tests.people import HueClassifier, Person, records, segments

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Attributes, BatchResult, Claim, UInt8, Visit

from tests.workbench import Bench, HoledLog, TickingClock, each

PATIENCE_S = 10  # for another thread


def test_all_partitions_are_worked_to_the_end_and_given_back() -> None:
    bench = Bench(partitions=3).fill(5, 0, 3)
    bench.run_to_the_end()
    assert bench.database.positions == [5, 0, 3]
    assert bench.offsets == each(5, 0, 3)
    assert bench.database.holders == [None, None, None]
    assert sorted(map(id, bench.committed)) == sorted(map(id, bench.database.results))


def test_more_partitions_than_lanes_are_worked_in_turn() -> None:
    bench = Bench(partitions=5, settings=Settings(lanes=2)).fill(3, 3, 3, 3, 3)
    bench.run_to_the_end()
    assert bench.offsets == each(3, 3, 3, 3, 3)


def test_a_run_until_the_end_waits_for_the_feeder() -> None:
    bench = Bench(settings=Settings(commit_segments=1)).fill(1)
    fed = threading.Event()

    def feed(point: str) -> None:
        if point == "after_commit" and bench.log.offsets(0).stop < 3:
            bench.fill(1)
        elif point == "after_commit":
            fed.set()

    bench.on_point = feed
    bench.worker().run(until_end=fed)
    assert bench.offsets == each(3)


def test_a_run_until_the_end_does_not_end_because_the_database_is_away() -> None:
    bench = Bench(clock=TickingClock()).fill(3)
    bench.claims.away["acquire"] = 3
    bench.run_to_the_end()
    assert bench.offsets == each(3)


def test_a_hole_at_the_logs_end_does_not_keep_a_run_from_ending() -> None:
    bench = Bench(log=HoledLog(hole=1)).fill(3)
    bench.run_to_the_end()
    assert bench.offsets == each(3)


@pytest.mark.parametrize("fates", [[LANDED, LOST] * 3, [LOST] * 4, [LANDED] * 4])
def test_broken_connections_lose_nothing_and_write_nothing_twice(fates: list[str]) -> None:
    bench = Bench(partitions=2).fill(7, 4)
    bench.facts.broken = deque(fates)
    bench.run_to_the_end()
    assert bench.offsets == each(7, 4)


def test_a_fenced_lane_is_dropped_and_the_others_go_on() -> None:
    bench = Bench(partitions=2).fill(4, 4)
    bench.run_while_another_takes_partition_0()
    assert bench.database.positions == [0, 4]
    assert bench.database.holders == ["b:1", None]


def test_a_superseded_worker_gives_way() -> None:
    bench = Bench()
    bench.on_point = lambda _: bench.database.workers.update(a="a:2")
    with pytest.raises(SupersededError):
        bench.worker().run()


class SharingClock(TickingClock):
    """A clock that stops the worker once it has given two partitions back."""

    def __init__(self, stop: threading.Event, released: list[int]) -> None:
        super().__init__()
        self._stop, self._released = stop, released

    def monotonic(self) -> float:
        if len(self._released) >= 2:
            self._stop.set()
        return super().monotonic()


@pytest.mark.parametrize("refusals", [0, 3])
def test_the_surplus_is_given_to_a_worker_that_joins(refusals: int) -> None:
    """What could not be given back is tried again: without a lane it would lie idle for as long as this worker lives."""
    bench = Bench(partitions=4)
    bench.clock = SharingClock(bench.stop, bench.claims.released)
    bench.claims.away["release"] = refusals

    def join(_: str) -> None:
        if None not in bench.database.holders:
            bench.database.workers["b"] = "b:1"

    bench.on_point = join
    bench.worker().run()
    assert sorted(bench.claims.released) == [0, 1, 2, 3]
    assert sorted(bench.claims.released[:2]) == [0, 1]
    assert bench.database.holders == [None] * 4


def test_a_bug_in_a_lane_ends_the_run_though_another_lane_waits_for_the_database() -> None:
    bench = Bench(partitions=2).fill(1, 1)

    class HalfBroken(MemoryFacts):
        def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
            del to_offset, result, stay_careful
            if claim.partition == 0:
                raise ZeroDivisionError("a bug")
            raise DatabaseUnavailableError("away")

        def confirm(self, claim: Claim, to_offset: int) -> Claim:
            del claim, to_offset
            raise DatabaseUnavailableError("away")

    bench.facts = HalfBroken(bench.database)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        bench.run_to_the_end()
    assert bench.database.results == []


def test_a_claim_is_worked_though_the_next_question_is_not_answered() -> None:
    bench = Bench().fill(3)
    bench.claims.away["surplus"] = 1
    bench.run_to_the_end()
    assert bench.offsets == each(3)


def test_renewing_outlives_a_database_that_is_away() -> None:
    bench = Bench()
    bench.claims.away["renew"] = 3
    bench.on_point = lambda _: bench.database.workers.update(a="a:2")
    with pytest.raises(SupersededError):
        bench.worker().run()
    assert bench.claims.away["renew"] == 0


def test_real_visits_are_the_same_however_often_commits_are_lost(tmp_path: Path) -> None:
    """The states are loaded again from the database each time."""
    people = [Person(hue=0, from_frame=5, to_frame=45, x=10, speed=4), Person(hue=2, from_frame=30, to_frame=75, x=230, y=150, speed=-3)]
    taken = records(segments(tmp_path / "street.mp4", people, 80, UUID(int=1)))

    def visits(fates: list[str]) -> list[Visit]:
        bench = Bench()
        for record in taken:
            bench.log.append(0, record)
        bench.facts.broken = deque(fates)
        bench.run_to_the_end()
        assert bench.database.partitions[0].states == {}
        return sorted(bench.database.visits, key=lambda visit: visit.visit_id)

    undisturbed = visits([])
    assert sorted(visit.detections for visit in undisturbed) == [20, 23]
    assert visits([LOST, LANDED, LOST, LOST, LANDED]) == undisturbed


def test_a_fenced_lane_that_ends_late_leaves_its_partition_s_new_lane_alone() -> None:
    """The claim lapses while the lane works, and the worker claims the partition anew."""
    bench = Bench(clock=TickingClock()).fill(3)
    claimed_again, lapsed = threading.Event(), threading.Event()

    def on_point(point: str) -> None:
        if point == "before_commit" and not lapsed.is_set():
            lapsed.set()
            bench.database.partitions[0].holder = None
            assert claimed_again.wait(PATIENCE_S)
        elif point == "after_claim" and lapsed.is_set():
            claimed_again.set()

    bench.on_point = on_point
    bench.run_to_the_end()
    assert bench.offsets == each(3)
    assert bench.database.holders == [None], "the new claim was lost"
    assert bench.claims.released == [0]


def test_no_partition_waits_while_others_have_two_turns() -> None:
    bench = Bench(partitions=5, settings=Settings(lanes=1, commit_segments=1)).fill(3, 3, 3, 3, 3)
    bench.run_to_the_end()
    assert [result.dead_letters[0].partition for result in bench.committed] == [0, 1, 2, 3, 4] * 3


@pytest.mark.parametrize("failures", [1, 2, 3, 5, 8])
def test_a_log_that_is_away_for_a_while_ends_no_worker(failures: int) -> None:
    """Nor is it taken for a log that is read to its end."""
    bench = Bench(partitions=2).fill(3, 3)
    bench.log.away = failures
    bench.run_to_the_end()
    assert bench.offsets == each(3, 3)


def test_a_lane_that_waits_for_its_turn_keeps_no_records() -> None:
    bench = Bench(partitions=2, settings=Settings(lanes=1, commit_segments=2)).fill(4, 4)
    bench.run_to_the_end()
    assert bench.offsets == each(4, 4)
    assert bench.log.reads == dict.fromkeys([(0, 0), (0, 2), (1, 0), (1, 2)], 1)


def test_a_database_that_is_away_at_the_end_is_asked_once_not_for_each_partition() -> None:
    bench = Bench(partitions=4).fill(1, 1, 1, 1)
    bench.claims.away["release"] = 10
    bench.run_to_the_end()
    assert bench.claims.away["release"] == 9


@pytest.mark.parametrize("bug", [False, True])
def test_a_lane_that_hangs_does_not_keep_the_worker_from_ending(bug: bool) -> None:  # noqa: FBT001 - a parameter of the test
    bench = Bench(partitions=3, settings=Settings(stop_timeout_s=0.2)).fill(2, 2)
    hangs, let_go = threading.Event(), threading.Event()

    class Hanging(MemoryFacts):
        def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
            if claim.partition == 0:
                hangs.set()
                let_go.wait()
            assert hangs.wait(PATIENCE_S)
            if bug:
                raise ZeroDivisionError("a bug")
            bench.stop.set()
            return super().commit(claim, to_offset, result, stay_careful=stay_careful)

    bench.facts = Hanging(bench.database)
    try:
        with pytest.raises(HungError, match=r"partition 0 did not stop within 0\.2 s") as raised:
            bench.worker().run()
        assert isinstance(raised.value.__context__, ZeroDivisionError) == bug
        assert bench.database.holders == (["a:1"] * 3 if bug else ["a:1", None, None])
    finally:
        let_go.set()


def test_a_broken_model_ends_the_worker(tmp_path: Path) -> None:
    """It would give the same answer for ever."""

    class Broken(HueClassifier):
        def classify(self, crops: UInt8) -> Attributes:
            raise ConfigurationError(f"{len(crops)} answers of NaN")

    bench = Bench()
    bench.classifier = Broken()
    for record in records(segments(tmp_path / "street.mp4", [], 10, UUID(int=1))):
        bench.log.append(0, record)
    with pytest.raises(ConfigurationError, match="answers of NaN"):
        bench.run_to_the_end()
    assert bench.database.results == []


def test_a_model_that_is_found_broken_while_the_worker_stops_is_no_death_of_it(tmp_path: Path) -> None:
    bench = Bench()

    class Broken(HueClassifier):
        def classify(self, crops: UInt8) -> Attributes:
            bench.stop.set()
            raise ConfigurationError(f"{len(crops)} answers of NaN")

    bench.classifier = Broken()
    for record in records(segments(tmp_path / "street.mp4", [], 10, UUID(int=1))):
        bench.log.append(0, record)
    with pytest.raises(ConfigurationError, match="answers of NaN"):
        bench.worker().run()
    assert bench.database.holders == [None]
