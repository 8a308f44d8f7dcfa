"""Which records could not be used, and why: reason and coordinates, as the workers stored them. Imports types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from pipeline.adapters.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLog:
    """A segment log of which something is known."""

    log_id: int
    uid: str
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A dead letter as it is stored."""

    partition: int
    offset: int
    reason: str
    noticed_at: datetime  # when it was set aside
    camera: str | None  # its name; None: not known, or the header could not be read
    camera_id: UUID | None
    session: int | None
    sequence: int | None
    captured_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """The dead letters that are asked for."""

    camera: str | None = None  # name or id; None: of all
    reason: str | None = None  # None: all


_LOGS = text("""
SELECT l.log_id, l.log_uid AS uid, (SELECT count(*) FROM dead_letter d WHERE d.log_id = l.log_id) AS dead_letters
FROM log l LEFT JOIN (SELECT log_id, max(updated_at) AS moved_at FROM log_partition GROUP BY log_id) p USING (log_id)
ORDER BY coalesce(l.log_uid = :uid, false) DESC, p.moved_at DESC NULLS LAST, l.log_id DESC
""")
_COLUMNS = """
SELECT d.partition, d.log_offset AS "offset", d.reason, d.noticed_at, c.name AS camera, d.camera_id, d.session, d.sequence, d.captured_at
FROM dead_letter d LEFT JOIN camera c USING (camera_id)
"""
_ASKED_FOR = """
WHERE d.log_id = :log AND (CAST(:camera AS text) IS NULL OR c.name = :camera OR d.camera_id::text = lower(:camera))
  AND (CAST(:reason AS text) IS NULL OR d.reason = :reason)
"""
_NEWEST = text(f"{_COLUMNS} {_ASKED_FOR} ORDER BY d.noticed_at DESC, d.partition, d.log_offset DESC LIMIT :limit")
_COUNTS = text(f"""
SELECT d.reason, count(*) FROM dead_letter d LEFT JOIN camera c USING (camera_id) {_ASKED_FOR} GROUP BY d.reason ORDER BY 2 DESC, 1
""")  # noqa: S608 - made of constants
_AT = text(f"{_COLUMNS} WHERE d.log_id = :log AND d.partition = :partition AND d.log_offset = :offset ORDER BY d.reason")


class PostgresDeadLetters:
    """Reads what was set aside."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def logs(self, uid: str | None) -> Sequence[KnownLog]:
        """Return the logs that are known: the one with this uid first, then the one that was worked on last.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        with self._database.transaction() as connection:
            return [KnownLog(**row._mapping) for row in connection.execute(_LOGS, {"uid": uid})]  # noqa: SLF001 - its public name

    def newest(self, log_id: int, which: Which, limit: int) -> Sequence[StoredLetter]:
        """Return the dead letters of a log, the newest first.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        parameters = {"log": log_id, "camera": which.camera, "reason": which.reason, "limit": limit}
        with self._database.transaction() as connection:
            return _letters(connection, _NEWEST, parameters)

    def counts(self, log_id: int, which: Which) -> Mapping[str, int]:
        """Return how many there are, by reason, the most frequent first.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        parameters = {"log": log_id, "camera": which.camera, "reason": which.reason}
        with self._database.transaction() as connection:
            return {reason: int(n) for reason, n in connection.execute(_COUNTS, parameters)}

    def at(self, log_id: int, partition: int, offset: int) -> Sequence[StoredLetter]:
        """Return the dead letters of one record: more than one where it was set aside for more than one reason.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        with self._database.transaction() as connection:
            return _letters(connection, _AT, {"log": log_id, "partition": partition, "offset": offset})


def _letters(connection: Connection, statement: Any, parameters: Mapping[str, Any]) -> list[StoredLetter]:  # noqa: ANN401 - SQLAlchemy's
    return [StoredLetter(**row._mapping) for row in connection.execute(statement, parameters)]  # noqa: SLF001 - its public name
