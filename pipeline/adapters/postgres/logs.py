"""Makes a segment log known to the database; imports nothing of ours but the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from pipeline.adapters.postgres.schema import log, log_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.postgres.database import Database


def register_log(database: Database, uid: str, earliest: Sequence[int]) -> int:
    """Return the log's number, with a position for each of its partitions; what is known already stays as it is.

    Args:
        database: Where the positions are kept.
        uid: What the log says of itself (`SegmentLog.uid`).
        earliest: Its oldest offset in partition 0, 1, 2, ...: where reading begins.
    """
    with database.transaction() as connection:
        connection.execute(insert(log).values(log_uid=uid).on_conflict_do_nothing())
        log_id = int(connection.execute(select(log.c.log_id).where(log.c.log_uid == uid)).scalar_one())
        positions = [{"log_id": log_id, "partition": partition, "next_offset": offset} for partition, offset in enumerate(earliest)]
        connection.execute(insert(log_partition).on_conflict_do_nothing(), positions)
    return log_id
