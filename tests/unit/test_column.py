"""What is asked of the database between the batches, where no lane waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from pipeline.errors import DatabaseUnavailableError
from pipeline.settings import Settings
from services.wiring import Column, Place
from tests.clocks import SteppedClock

if TYPE_CHECKING:
    from pipeline.adapters.locallog import LocalLog
    from pipeline.adapters.postgres.database import Database
    from pipeline.ports import DeadLetterShelf


def column(clock: SteppedClock) -> Column:
    place = Place(database_url="", log_path=Path(), kept=True)
    nothing = None
    log, shelf, database = cast("LocalLog", nothing), cast("DeadLetterShelf", nothing), cast("Database", nothing)
    return Column(settings=Settings(), place=place, clock=clock, log=log, shelf=shelf, database=database, log_id=1)


class Away:
    """A database that is away for so many questions."""

    def __init__(self, times: int) -> None:
        self.times = times

    def ask(self) -> int:
        self.times -= 1
        if self.times >= 0:
            raise DatabaseUnavailableError("the database is away")
        return 42


def test_a_database_that_comes_back_answers() -> None:
    clock = SteppedClock()
    assert column(clock).patiently(Away(10).ask) == 42
    assert 1 < clock.monotonic() < 10


def test_a_database_that_stays_away_is_not_waited_for_for_ever() -> None:
    clock = SteppedClock()
    with pytest.raises(DatabaseUnavailableError):
        column(clock).patiently(Away(10**9).ask)
    assert 59 < clock.monotonic() < 61
