"""A log that was made anew under a worker: what was open is stored, what was not analysed is a gap, and the worker ends to begin again."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from pipeline.closing import close_log
from pipeline.errors import HeadcountError, LogReplacedError, LogUnavailableError
from pipeline.reopening import reopening
from pipeline.settings import Settings
from pipeline.types import LogGap
from tests.fake_database import LANDED, LOST, MemoryClaims, MemoryFacts
from tests.metered import metered
from tests.people import Person, records, segments
from tests.workbench import Bench, each

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Record, Visit

PEOPLE = (Person(hue=0, from_frame=5, to_frame=45, x=10, speed=4), Person(hue=2, from_frame=20, to_frame=75, x=230, y=150, speed=-3))


class PassingTime(threading.Event):
    """A stop that is waited for in no time."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return self.is_set()


def street(folder: Path) -> list[Record]:
    """Return four records of two people, and the END."""
    return records(segments(folder / "street.mp4", PEOPLE, 80, UUID(int=1)))


def feed(bench: Bench, items: list[Record], partition: int = 0) -> Bench:
    for record in items:
        bench.log.append(partition, record)
    return bench


def visits(bench: Bench) -> list[Visit]:
    return sorted(bench.database.visits, key=lambda visit: visit.visit_id)


def replaced_after(bench: Bench, commits: int) -> None:
    """Have the log replaced after so many commits, and run until the worker ends because of it."""

    def on_point(point: str) -> None:
        if point == "after_commit" and bench.points.count("after_commit") == commits:
            bench.log.replaced = True

    bench.on_point = on_point
    with pytest.raises(LogReplacedError):
        bench.worker().run()


def test_what_is_open_is_stored_as_an_end_would_have_it(tmp_path: Path) -> None:
    *video, end = street(tmp_path)
    bench = feed(Bench(settings=Settings(commit_segments=2, renew_s=0.01, lanes=8, batch_max_bytes=2**20)), video[:2])
    replaced_after(bench, 1)
    ended = feed(Bench(), [*video[:2], end])
    ended.run_to_the_end()
    assert len(visits(bench)) == 2
    assert visits(bench) == visits(ended)
    assert bench.database.partitions[0].states == {}
    assert bench.database.positions == [2]
    assert bench.database.log_gaps == []


def test_what_was_not_analysed_is_a_gap_up_to_the_last_end_that_is_known() -> None:
    bench = Bench(partitions=2).fill(3, 0)
    (lane, quiet) = (bench.lane_of(claim) for claim in bench.claims.acquire())
    assert lane.has_work()
    assert not quiet.has_work()
    bench.log.replaced = True
    for each_lane in (lane, quiet):
        assert each_lane.has_work()
        each_lane.work()
        assert not each_lane.has_work()
        assert each_lane.replaced is not None
    assert bench.database.log_gaps == [LogGap(partition=0, from_offset=0, to_offset=3, reason="log_replaced")]
    assert bench.database.positions == [3, 0]


def test_what_was_read_before_is_analysed_still() -> None:
    bench = Bench(partitions=1).fill(6)
    replaced_after(bench, 1)
    assert bench.offsets == each(6)
    assert bench.database.log_gaps == []


def test_all_lanes_close_before_the_worker_ends_and_gives_its_claims_back() -> None:
    bench = Bench(partitions=5, settings=Settings(commit_segments=1, renew_s=0.01, lanes=2)).fill(3, 3, 3, 3, 3)
    replaced_after(bench, 1)
    assert bench.database.holders == [None] * 5
    assert [partition.crashes for partition in bench.database.partitions.values()] == [0] * 5
    passed = {(letter.partition, letter.offset) for letter in bench.database.dead_letters}
    lost = {(gap.partition, offset) for gap in bench.database.log_gaps for offset in range(gap.from_offset, gap.to_offset)}
    assert not passed & lost
    assert bench.database.positions == [1 + max((offset for p, offset in passed | lost if p == n), default=-1) for n in range(5)]
    assert not bench.stop.is_set(), "the same process opens the new log"


def test_a_worker_without_a_partition_notices_too() -> None:
    bench = Bench(partitions=1)
    bench.database.workers["b"] = "b:1"
    bench.database.partitions[0].holder = "b:1"
    bench.log.replaced = True
    with pytest.raises(LogReplacedError):
        bench.worker().run()


@pytest.mark.parametrize("fates", [[LOST], [LANDED], [LOST, LANDED], [LOST, LOST, LOST, LANDED]])
def test_a_lost_connection_closes_once(tmp_path: Path, fates: list[str]) -> None:
    """Where the position stays, it does not tell whether a commit landed: what is stored is looked at anew."""
    *video, _ = street(tmp_path)
    bench = feed(Bench(), video[:2])
    (lane,) = (bench.lane_of(claim) for claim in bench.claims.acquire())
    while lane.has_work():
        lane.work()
    assert visits(bench) == []
    bench.log.replaced = True
    bench.facts.broken = deque(fates)
    assert lane.has_work()
    lane.work()
    found = visits(bench)
    assert len(found) == len({visit.visit_id for visit in found}) == 2


def test_an_heir_closes_what_a_dead_worker_left(tmp_path: Path) -> None:
    *video, end = street(tmp_path)
    bench = feed(Bench(partitions=2), video[:2])
    (lane, _) = (bench.lane_of(claim) for claim in bench.claims.acquire())
    while lane.has_work():
        lane.work()
    bench.database.workers.clear()
    before = metered("headcount_visits_total")
    claims, facts = MemoryClaims(bench.database, "b:1"), MemoryFacts(bench.database, "b:1")
    for _ in range(2):
        close_log(claims, facts, bench.equipment.engine, {0: 6})
        assert metered("headcount_visits_total") == before + 2
    ended = feed(Bench(), [*video[:2], end])
    ended.run_to_the_end()
    assert visits(bench) == visits(ended)
    assert bench.database.log_gaps == [LogGap(partition=0, from_offset=2, to_offset=6, reason="log_replaced")]
    assert (bench.database.positions, bench.database.holders) == ([6, 0], [None, None])


def test_metrics_can_be_read_when_the_log_is_another() -> None:
    bench = Bench().fill(1)
    worker = bench.worker()
    bench.log.replaced = True
    seen: list[float] = []
    bench.on_point = lambda point: seen.append(metered("headcount_lag_records", partition="0")) if point == "after_claim" else None
    with pytest.raises(LogReplacedError):
        worker.run()
    assert len(seen) == 1
    assert math.isnan(seen[0])


def test_work_is_begun_again_as_often_as_the_log_is_replaced() -> None:
    stop, notices, openings = threading.Event(), list[str](), list[int]()

    def work() -> None:
        openings.append(len(openings))
        if len(openings) < 2:
            raise LogReplacedError("the topic was made anew")

    reopening(work, stop, notices.append)
    assert openings == [0, 1]
    assert len(notices) == 1


def test_a_stop_is_not_answered_with_another_opening() -> None:
    stop = threading.Event()

    def work() -> None:
        stop.set()
        raise LogReplacedError("the topic was made anew")

    with pytest.raises(LogReplacedError):
        reopening(work, stop, lambda _: None)


def test_a_log_that_was_made_anew_and_is_not_ready_yet_is_waited_for() -> None:
    ways = deque[HeadcountError](
        [LogReplacedError("the topic was made anew"), LogUnavailableError("no leader"), LogUnavailableError("no leader")]
    )
    notices = list[str]()

    def work() -> None:
        if ways:
            raise ways.popleft()

    reopening(work, PassingTime(), notices.append)
    assert not ways
    assert notices[1:] == ["the new log waits: no leader"]


def test_a_log_that_cannot_be_opened_at_first_is_not_waited_for() -> None:
    def work() -> None:
        raise LogUnavailableError("there is no topic")

    with pytest.raises(LogUnavailableError):
        reopening(work, threading.Event(), lambda _: None)
