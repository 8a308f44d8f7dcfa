"""How the column does: who holds which partition, who lives, what the cameras' last minutes show. Imports types only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from pipeline.adapters.postgres.database import Database


class Holding(StrEnum):
    """What became of the worker that holds a partition."""

    ALIVE = "alive"
    OVERDUE = "overdue"  # it has not renewed for the claim's time: others may take the partition
    GONE = "gone"  # another one runs in its slot
    FREE = "free"  # nobody holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """A partition's position and who holds it."""

    partition: int
    holding: Holding
    slot: str | None  # of the holder, as far as it is known
    node: str | None
    pid: int | None
    position: int  # the next offset to read
    crashes: int  # claims in a row that ended without a commit
    suspect_offset: int | None  # the record that was open when a holder died
    suspect_count: int  # claims that opened it and died


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker and its last sign of life."""

    slot: str
    node: str
    pid: int
    seen_s: float  # ago
    alive: bool
    partitions: int  # that it holds


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """A camera and what was observed of it."""

    name: str
    site: str
    partition: int
    fed_s: float | None  # how long ago its ingest last showed that it lives; None: nobody feeds it
    last_minute: datetime | None  # of its coverage; None: it has none
    seconds: tuple[int, ...]  # observed of each minute shown, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatus:
    """All that the database knows of one log and of the cameras, at one instant."""

    log_uid: str | None  # None: no log was ever read into this database
    since: datetime  # the first minute shown, by the stream's time
    until: datetime  # the end of the last one
    partitions: Sequence[PartitionStatus]
    workers: Sequence[WorkerStatus]
    cameras: Sequence[CameraStatus]
    rejected: Mapping[str, int]  # in these minutes, reason -> how many
    dead_letters: Mapping[str, int]


# The log of this machine where the database knows it, else the one whose positions moved last.
_LOG = text("""
SELECT l.log_id, l.log_uid FROM log l LEFT JOIN log_partition p USING (log_id)
GROUP BY l.log_id ORDER BY coalesce(l.log_uid = :uid, false) DESC, max(p.updated_at) DESC NULLS LAST, l.log_id DESC LIMIT 1
""")
_ALIVE = "w.seen_at >= now() - make_interval(secs => :ttl)"
_PARTITIONS = text(f"""
SELECT p.partition, w.slot, w.node, w.pid, p.next_offset AS position, p.crashes, p.suspect_offset, p.suspect_count,
       CASE WHEN p.holder IS NULL THEN 'free' WHEN w.slot IS NULL THEN 'gone' WHEN {_ALIVE} THEN 'alive' ELSE 'overdue' END AS holding
FROM log_partition p LEFT JOIN worker w ON w.worker_id = p.holder
WHERE p.log_id = :log ORDER BY p.partition
""")  # noqa: S608 - made of constants
# A worker that was killed leaves its row behind: it is of interest for a while.
_WORKERS = text(f"""
SELECT w.slot, w.node, w.pid, EXTRACT(EPOCH FROM now() - w.seen_at)::double precision AS seen_s, {_ALIVE} AS alive,
       count(p.partition)::integer AS partitions
FROM worker w LEFT JOIN log_partition p ON p.log_id = w.log_id AND p.holder = w.worker_id
WHERE w.log_id = :log GROUP BY w.slot
HAVING count(p.partition) > 0 OR w.seen_at >= now() - interval '1 hour' ORDER BY w.slot
""")  # noqa: S608 - made of constants
_LIVING = text(f"SELECT w.pid FROM worker w WHERE w.node = :node AND {_ALIVE}")  # noqa: S608 - made of constants
_FED = text("SELECT count(*) FROM camera WHERE lease_holder IS NOT NULL AND lease_seen_at >= now() - make_interval(secs => :ttl)")
_NEWEST = text("SELECT coalesce(max(minute), date_trunc('minute', now(), 'UTC')) FROM coverage")
_CAMERAS = text("""
SELECT c.camera_id, c.name, s.name AS site, c.partition,
       (SELECT max(minute) FROM coverage o WHERE o.camera_id = c.camera_id) AS last_minute,
       CASE WHEN c.lease_holder IS NOT NULL THEN EXTRACT(EPOCH FROM now() - c.lease_seen_at)::double precision END AS fed_s
FROM camera c JOIN site s USING (site_id) ORDER BY s.name, c.name
""")
_SECONDS = text("""
SELECT camera_id, EXTRACT(EPOCH FROM minute - :since)::integer / 60 AS place, bit_count(seconds)::integer AS seconds
FROM coverage WHERE minute >= :since AND minute < :until
""")
_REJECTED = text("""
SELECT reason, sum(n)::bigint FROM coverage_reject WHERE minute >= :since AND minute < :until GROUP BY reason ORDER BY 2 DESC, 1
""")
# What has no time of its own, because its header could not be read, counts when it was noticed.
_DEAD_LETTERS = text("""
SELECT reason, count(*) FROM dead_letter
WHERE (captured_at >= :since AND captured_at < :until) OR (captured_at IS NULL AND noticed_at >= now() - (:until - :since))
GROUP BY reason ORDER BY 2 DESC, 1
""")


class PostgresStatus:
    """Reads how the column does.

    Args:
        ttl_s: A worker that has not renewed for this long is overdue.
    """

    def __init__(self, database: Database, *, ttl_s: float) -> None:
        self._database = database
        self._ttl_s = ttl_s

    def read(self, log_uid: str | None, minutes: int) -> ColumnStatus:
        """Return the status of a log and of all cameras.

        Args:
            log_uid: Of the log on this machine; where the database does not know it, the log that was worked on last is meant.
            minutes: So many minutes of stream time are looked at, up to the newest one that has coverage.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        with self._database.transaction() as connection:
            found = connection.execute(_LOG, {"uid": log_uid}).first()
            of_log = {"log": None if found is None else found.log_id, "ttl": self._ttl_s}
            until = connection.execute(_NEWEST).scalar_one() + timedelta(minutes=1)
            shown = {"since": until - timedelta(minutes=minutes), "until": until}
            return ColumnStatus(
                log_uid=None if found is None else found.log_uid,
                **shown,
                partitions=[_partition(row._mapping) for row in connection.execute(_PARTITIONS, of_log)],  # noqa: SLF001 - its public name
                workers=[WorkerStatus(**row._mapping) for row in connection.execute(_WORKERS, of_log)],  # noqa: SLF001 - as above
                cameras=_cameras(connection, shown, minutes),
                rejected={reason: int(n) for reason, n in connection.execute(_REJECTED, shown)},
                dead_letters={reason: int(n) for reason, n in connection.execute(_DEAD_LETTERS, shown)},
            )

    def living_on(self, node: str) -> frozenset[int]:
        """Return the processes of a node's workers that have shown themselves lately, though they may have been killed since then.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        with self._database.transaction() as connection:
            return frozenset(connection.execute(_LIVING, {"ttl": self._ttl_s, "node": node}).scalars())

    def cameras_fed(self) -> int:
        """Return how many cameras somebody feeds now.

        Raises:
            DatabaseUnavailableError: Try again.
        """
        with self._database.transaction() as connection:
            fed: int = connection.execute(_FED, {"ttl": self._ttl_s}).scalar_one()
            return fed


def _partition(row: RowMapping) -> PartitionStatus:
    values: dict[str, Any] = {**row, "holding": Holding(row["holding"])}
    return PartitionStatus(**values)


def _cameras(connection: Connection, shown: Mapping[str, datetime], minutes: int) -> list[CameraStatus]:
    observed: dict[object, list[int]] = {}
    for camera_id, place, seconds in connection.execute(_SECONDS, shown):
        observed.setdefault(camera_id, [0] * minutes)[place] = seconds
    return [
        CameraStatus(
            name=row.name,
            site=row.site,
            partition=row.partition,
            fed_s=row.fed_s,
            last_minute=row.last_minute,
            seconds=tuple(observed.get(row.camera_id, [0] * minutes)),
        )
        for row in connection.execute(_CAMERAS)
    ]
