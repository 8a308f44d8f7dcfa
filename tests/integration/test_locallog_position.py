"""The local log and a database that knows another end or other partitions of it, as a power failure or an extension may leave the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.adapters.locallog import LocalLog
from pipeline.settings import Settings
from services.clock import SystemClock
from services.segment_log import log_limits
from services.wiring import Place, open_column
from tests.contract.samples import execute
from tests.contract.segment_log import numbered, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.adapters.postgres.database import Database


def test_the_writer_begins_where_the_database_is(tmp_path: Path, database_url: str, database: Database) -> None:
    place = Place(database_url=database_url, log_path=tmp_path / "log", kept=True)
    with open_column(place, Settings(), writes_log=True) as column:
        column.log.append(0, numbered(0))
    execute(database, "UPDATE log_partition SET next_offset = 3 WHERE partition = 0")
    with open_column(place, Settings(), writes_log=True) as column:
        assert not column.backlog()
        assert [column.log.offsets(partition).stop for partition in range(column.log.partitions)][:3] == [3, 0, 0]
        assert column.log.append(0, numbered(1)) == 3
        assert [stored.record for stored in read_all(column.log, 0, 3)] == [numbered(1)]
        assert column.backlog()


def test_partitions_that_were_added_since_are_no_backlog_until_they_are_registered(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    del database  # it empties the tables
    place = Place(database_url=database_url, log_path=tmp_path / "log", kept=True)
    with open_column(place, Settings(partitions=2), writes_log=True):
        pass
    with open_column(place, Settings(), writes_log=False) as earlier:
        with open_column(place, Settings(partitions=3), writes_log=True) as column:
            column.log.append(2, numbered(0))
        with LocalLog(place.log_path, clock=SystemClock(), limits=log_limits(Settings(partitions=4))):
            assert earlier.log.offsets(3) == range(0)
            assert earlier.log.partitions == 4
            assert sorted(lag.records for lag in earlier.lags()) == [0, 0, 1]
