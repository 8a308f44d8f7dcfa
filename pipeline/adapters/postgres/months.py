"""The monthly partitions of `visit`, made before the first visit of their month; imports types only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from pipeline.adapters.postgres.database import Database

_YEARS = range(2000, 2100)  # a clock outside of them is wrong: its visits stay in the default partition, and make no table


class Months:
    """Makes partitions and remembers which are there. Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._present: frozenset[datetime] = frozenset()

    def ensure(self, instants: Iterable[datetime]) -> None:
        """Make the partitions that hold `instants`, each in a transaction of its own, where they are missing.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        wanted = {_month(instant) for instant in instants} - self._present
        for month in sorted(wanted):
            if month.year in _YEARS:
                with self._database.transaction() as connection:
                    _create(connection, month)
            self._present |= {month}


def _month(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _create(connection: Connection, month: datetime) -> None:
    """Make a month's table and attach it: unlike `CREATE TABLE ... PARTITION OF`, this lets others go on inserting.

    Rows of the month that stand in the default partition would forbid it, so they move.
    """
    name = f"visit_{month:%Y_%m}"
    begin, end = month.isoformat(), _next(month).isoformat()
    connection.execute(text("LOCK TABLE visit IN SHARE UPDATE EXCLUSIVE MODE"))  # one maker at a time; inserts go on
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is not None:
        return
    of_month = f"started_at >= '{begin}' AND started_at < '{end}'"
    for statement in (
        f"CREATE TABLE {name} (LIKE visit INCLUDING ALL)",
        f"INSERT INTO {name} SELECT * FROM visit_default WHERE {of_month}",  # noqa: S608 - made of a date
        f"DELETE FROM visit_default WHERE {of_month}",  # noqa: S608 - made of a date
        f"ALTER TABLE visit ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')",
        f"COMMENT ON TABLE {name} IS 'Visits that began in {month:%B %Y} (UTC).'",
    ):
        connection.exec_driver_sql(statement)


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
