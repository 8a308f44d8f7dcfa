from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import LogUnavailableError
from pipeline.lag import lag_of
from pipeline.types import Lag, to_us
from tests.workbench import UNREADABLE, HoledLog

if TYPE_CHECKING:
    from tests.fakes import MemoryLog

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NONE = Lag(records=0, seconds=0.0)


@dataclass
class DatedLog(HoledLog):
    """The record at offset n was appended n seconds after noon."""

    def appended_us(self, partition: int, offset: int) -> int | None:
        there = super().appended_us(partition, offset)
        return there and to_us(NOON + timedelta(seconds=max(offset, self.first)))


def filled(log: MemoryLog, records: int) -> MemoryLog:
    for _ in range(records):
        log.append(0, UNREADABLE)
    return log


@pytest.mark.parametrize(
    ("position", "lag"),
    [
        (0, Lag(records=5, seconds=60.0)),
        (3, Lag(records=2, seconds=57.0)),
        (5, NONE),
        (9, NONE),  # a log that is shorter than what was committed
    ],
)
def test_the_oldest_record_that_is_not_analysed_says_how_long(position: int, lag: Lag) -> None:
    assert lag_of(filled(DatedLog(), 5), 0, position, NOON + timedelta(minutes=1)) == lag


def test_what_retention_has_taken_is_not_waited_for() -> None:
    assert lag_of(filled(DatedLog(first=2), 5), 0, 0, NOON + timedelta(minutes=1)) == Lag(records=3, seconds=58.0)


def test_a_hole_at_the_end_is_no_lag() -> None:
    assert lag_of(filled(DatedLog(hole=2), 3), 0, 3, NOON + timedelta(minutes=1)) == NONE


def test_a_clock_that_was_set_back_gives_no_negative_lag() -> None:
    assert lag_of(filled(DatedLog(), 5), 0, 2, NOON) == Lag(records=3, seconds=0.0)


def test_a_log_that_is_away_is_said() -> None:
    with pytest.raises(LogUnavailableError):
        lag_of(filled(DatedLog(away=1), 2), 0, 0, NOON)
