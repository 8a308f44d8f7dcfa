from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import LogUnavailableError, OffsetOutOfRangeError
from pipeline.lag import lag_of
from pipeline.types import Lag, to_us
from tests.fakes import MemoryLog
from tests.workbench import UNREADABLE, HoledLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import StoredRecord

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NONE = Lag(records=0, seconds=0.0)


@dataclass
class DatedLog(HoledLog):
    """The record at offset n was appended n seconds after noon."""

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        taken = super().read(partition, offset, max_bytes=max_bytes, timeout_s=timeout_s)
        return [replace(record, appended_us=to_us(NOON + timedelta(seconds=record.offset))) for record in taken]


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


def test_retention_that_is_faster_than_the_question_changes_the_answer_only() -> None:
    class Racing(DatedLog):
        def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
            self.first = 3
            return super().read(partition, offset, max_bytes=max_bytes, timeout_s=timeout_s)

    assert lag_of(filled(Racing(), 5), 0, 0, NOON + timedelta(minutes=1)) == Lag(records=2, seconds=57.0)


def test_a_log_that_shrinks_meanwhile_has_no_lag() -> None:
    class Shrinking(DatedLog):
        def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
            del max_bytes, timeout_s
            raise OffsetOutOfRangeError(partition, offset, 0, 1)

    assert lag_of(filled(Shrinking(), 5), 0, 3, NOON) == NONE


def test_a_hole_at_the_end_is_no_lag() -> None:
    assert lag_of(filled(DatedLog(hole=2), 3), 0, 3, NOON + timedelta(minutes=1)) == NONE


def test_a_clock_that_was_set_back_gives_no_negative_lag() -> None:
    assert lag_of(filled(DatedLog(), 5), 0, 2, NOON) == Lag(records=3, seconds=0.0)


def test_a_log_that_does_not_say_when_gives_the_records_only() -> None:
    class Undated(MemoryLog):
        def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
            taken = super().read(partition, offset, max_bytes=max_bytes, timeout_s=timeout_s)
            return [replace(record, appended_us=None) for record in taken]

    assert lag_of(filled(Undated(), 2), 0, 0, NOON) == Lag(records=2, seconds=0.0)


def test_a_log_that_is_away_is_said() -> None:
    with pytest.raises(LogUnavailableError):
        lag_of(filled(DatedLog(away=1), 2), 0, 0, NOON)
