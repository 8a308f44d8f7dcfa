"""A lane on a log and a database in memory; each record gives one dead letter with its offset."""

from __future__ import annotations

from collections import deque

import pytest

from pipeline.errors import DatabaseUnavailableError, FencedError, OffsetOutOfRangeError
from pipeline.settings import Settings
from pipeline.types import LogGap
from tests.fake_database import LANDED, LOST
from tests.workbench import Bench, HoledLog, TickingClock, each


def test_a_lane_commits_batch_after_batch() -> None:
    bench = Bench().fill(5)
    lane = bench.lane()
    positions = []
    while lane.has_work():
        lane.work()
        positions.append(lane.claim.next_offset)
    assert positions == [2, 4, 5]
    assert bench.offsets == each(5)
    assert bench.points == ["before_commit", "after_commit"] * 3


def test_a_batch_is_cut_when_its_commit_is_due() -> None:
    bench = Bench(settings=Settings(commit_segments=64, commit_s=3.0), clock=TickingClock()).fill(5)
    lane = bench.lane()
    assert lane.work() is not None
    assert lane.claim.next_offset == 3
    assert lane.work() is not None
    assert lane.claim.next_offset == 5
    assert bench.offsets == each(5)


@pytest.mark.parametrize("unanswered", [0, 1, 7])
@pytest.mark.parametrize("fate", [LANDED, LOST])
def test_a_commit_whose_connection_breaks_is_done_once(fate: str, unanswered: int) -> None:
    """Whether it landed is asked until the database answers."""
    bench = Bench().fill(4)
    bench.facts.broken = deque([fate])

    def be_away(point: str) -> None:
        if bench.facts.broken and point == "before_commit":
            bench.facts.away = unanswered

    bench.on_point = be_away
    lane = bench.lane()
    assert (lane.work() is not None) == (fate == LANDED)
    assert lane.claim.next_offset == (2 if fate == LANDED else 0)
    while lane.has_work():
        lane.work()
    assert bench.offsets == each(4)


def test_a_lane_whose_claim_is_another_s_writes_nothing() -> None:
    bench = Bench().fill(2)
    lane = bench.lane()
    bench.database.partitions[0].epoch += 1
    with pytest.raises(FencedError):
        lane.work()
    assert bench.database.results == []


def test_what_retention_took_is_recorded_and_reading_goes_on() -> None:
    bench = Bench(log=HoledLog(first=3)).fill(5)
    lane = bench.lane()
    while lane.has_work():
        lane.work()
    assert bench.database.log_gaps == [LogGap(partition=0, from_offset=0, to_offset=3, reason="retention")]
    assert bench.offsets == [(0, 3), (0, 4)]


def test_a_log_that_retention_emptied_is_a_gap_up_to_its_end() -> None:
    bench = Bench(log=HoledLog(first=5)).fill(5)
    lane = bench.lane()
    lane.work()
    assert (lane.claim.next_offset, lane.has_work()) == (5, False)
    assert [(gap.from_offset, gap.to_offset) for gap in bench.database.log_gaps] == [(0, 5)]


def test_a_log_that_is_shorter_than_the_position_is_an_alarm() -> None:
    bench = Bench().fill(2)
    bench.database.partitions[0].next_offset = 9
    lane = bench.lane()
    assert lane.has_work()
    with pytest.raises(OffsetOutOfRangeError):
        lane.work()


def test_a_hole_at_the_logs_end_is_no_work_until_a_record_comes() -> None:
    bench = Bench(log=HoledLog(hole=1)).fill(1)
    lane = bench.lane()
    lane.work()
    assert lane.has_work()
    assert lane.work() is None
    assert not lane.has_work()
    assert len(bench.database.results) == 1
    bench.fill(1)
    assert lane.has_work()


def test_a_stop_commits_what_was_observed_and_no_more() -> None:
    bench = Bench(settings=Settings(commit_segments=64)).fill(5)
    lane = bench.lane()
    bench.stop.set()
    assert lane.work() is not None
    assert (lane.claim.next_offset, bench.offsets) == (1, each(1))


def test_a_stop_ends_the_wait_for_a_database_that_is_away() -> None:
    bench = Bench().fill(2)
    bench.facts.away = 10**9
    bench.stop.set()
    with pytest.raises(DatabaseUnavailableError):
        bench.lane().work()


def test_a_long_outage_is_told_once_and_then_the_work_goes_on() -> None:
    bench = Bench().fill(2)
    bench.facts.away = 8
    assert bench.lane().work() is not None
    assert bench.notices == ["partition 0 waits: the database is away"]


def test_a_short_outage_is_not_worth_a_word() -> None:
    bench = Bench().fill(2)
    bench.facts.away = 2
    assert bench.lane().work() is not None
    assert bench.notices == []


def test_what_was_read_beyond_a_batch_is_kept_for_the_next() -> None:
    bench = Bench().fill(5)
    lane = bench.lane()
    while lane.has_work():
        lane.work()
    assert bench.log.reads == {(0, 0): 1}


def test_a_queue_that_was_let_go_is_read_again() -> None:
    bench = Bench().fill(5)
    lane = bench.lane()
    while lane.has_work():
        lane.work()
        lane.forget_queue()
    assert bench.offsets == each(5)
    assert bench.log.reads == dict.fromkeys([(0, 0), (0, 2), (0, 4)], 1)


def test_a_log_that_is_away_is_neither_work_nor_none() -> None:
    bench = Bench().fill(1)
    lane = bench.lane()
    bench.log.away = 1
    assert lane.has_work() is None
    assert lane.has_work() is True
    bench.log.away = 3
    assert lane.work() is not None
    assert lane.has_work() is False
    assert bench.offsets == each(1)
