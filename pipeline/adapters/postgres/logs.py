"""The segment logs that the database knows: their numbers, positions and predecessors; imports nothing of ours but the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from pipeline.adapters.postgres.schema import log, log_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.postgres.database import Database

# What ingest knows to be in a partition. Sessions that go on in a later log speak of that one, so it may be less than there was.
_ENDS = "SELECT partition, max(last_offset) + 1 AS stop FROM session WHERE log_id = {log} AND last_offset IS NOT NULL GROUP BY partition"
_KNOWN_ENDS = text(_ENDS.format(log=":log"))
# Numbers grow: a process that still works with an older log must not take a newer one for dead.
_PREDECESSORS = text(f"""
SELECT o.log_id FROM log o JOIN log l ON l.name = o.name
WHERE l.log_id = :log AND o.log_id < l.log_id
  AND (EXISTS (SELECT 1 FROM camera_state s WHERE s.log_id = o.log_id)
       OR EXISTS (SELECT 1 FROM log_partition p JOIN ({_ENDS.format(log="o.log_id")}) e USING (partition)
                  WHERE p.log_id = o.log_id AND p.next_offset < e.stop))
ORDER BY o.log_id
""")  # noqa: S608 - made of constants


def register_log(database: Database, uid: str, earliest: Sequence[int], *, name: str | None = None) -> int:
    """Return the log's number, with a position for each of its partitions; what is known already stays as it is.

    Args:
        database: Where the positions are kept.
        uid: What the log says of itself (`SegmentLog.uid`).
        earliest: Its oldest offset in partition 0, 1, 2, ...: where reading begins.
        name: Under which it is found, and others before it were; None: by no name.
    """
    with database.transaction() as connection:
        connection.execute(insert(log).values(log_uid=uid, name=name).on_conflict_do_nothing())
        log_id = int(connection.execute(select(log.c.log_id).where(log.c.log_uid == uid)).scalar_one())
        positions = [{"log_id": log_id, "partition": partition, "next_offset": offset} for partition, offset in enumerate(earliest)]
        connection.execute(insert(log_partition).on_conflict_do_nothing(), positions)
    return log_id


def positions_of(database: Database, log_id: int) -> dict[int, int]:
    """Return the committed position of each partition of a log.

    Raises:
        DatabaseUnavailableError: Try again.
    """
    chosen = select(log_partition.c.partition, log_partition.c.next_offset).where(log_partition.c.log_id == log_id)
    with database.transaction() as connection:
        return {row.partition: row.next_offset for row in connection.execute(chosen)}


def unclosed_predecessors(database: Database, log_id: int) -> list[int]:
    """Return the logs that were found under this one's name before, and of which something is open or not analysed.

    Raises:
        DatabaseUnavailableError: Try again.
    """
    with database.transaction() as connection:
        return list(connection.execute(_PREDECESSORS, {"log": log_id}).scalars())


def known_ends(database: Database, log_id: int) -> dict[int, int]:
    """Return, by partition, the offset after the last record that ingest knows to be in a log; no entry: it knows of none.

    Raises:
        DatabaseUnavailableError: Try again.
    """
    with database.transaction() as connection:
        return {row.partition: row.stop for row in connection.execute(_KNOWN_ENDS, {"log": log_id})}
