"""The right to write partitions: workers' incarnations and the claims that they hold. Imports types and errors."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text

from pipeline.errors import SupersededError
from pipeline.types import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.postgres.database import Database

_ENROL = text("""
INSERT INTO worker(slot, worker_id, log_id, node, pid) VALUES (:slot, :me, :log, :node, :pid)
ON CONFLICT (slot) DO UPDATE
SET worker_id = excluded.worker_id, log_id = excluded.log_id, node = excluded.node, pid = excluded.pid, seen_at = now()
""")
_RENEW = text("UPDATE worker SET seen_at = now() WHERE slot = :slot AND worker_id = :me")
_LEAVE = text("DELETE FROM worker WHERE slot = :slot AND worker_id = :me")

# Live workers of the same log count, and this one always does.
_FAIR_SHARE = """
SELECT CEIL((SELECT count(*) FROM log_partition WHERE log_id = :log)::numeric / GREATEST(1, (
    SELECT count(*) FROM worker WHERE log_id = :log AND (worker_id = :me OR seen_at >= now() - make_interval(secs => :ttl)))))
"""
_SURPLUS = text(f"SELECT GREATEST(0, :held - ({_FAIR_SHARE}))::integer")

# After a restart of the server nobody could renew for a while: a claim is overdue only when the server itself is older.
# SKIP LOCKED keeps a worker that is stopped inside its transaction from blocking this one. The epoch is compared again under
# the lock: PostgreSQL re-checks a row that changed meanwhile against the old row of a join, where its new holder is unknown.
_ACQUIRE = text(f"""
WITH candidate AS MATERIALIZED (
    SELECT p.partition, p.epoch FROM log_partition p LEFT JOIN worker w ON w.worker_id = p.holder
    WHERE p.log_id = :log
      AND (w.worker_id IS NULL
           OR (w.seen_at < now() - make_interval(secs => :ttl) AND pg_postmaster_start_time() < now() - make_interval(secs => :ttl)))
      AND EXISTS (SELECT 1 FROM worker m WHERE m.slot = :slot AND m.worker_id = :me)),
free AS (
    SELECT p.partition FROM log_partition p JOIN candidate c ON c.partition = p.partition AND c.epoch = p.epoch
    WHERE p.log_id = :log
    ORDER BY p.partition
    LIMIT GREATEST(0, ({_FAIR_SHARE}) - (SELECT count(*) FROM log_partition WHERE log_id = :log AND holder = :me))
    FOR UPDATE OF p SKIP LOCKED)
UPDATE log_partition p
SET holder = :me, epoch = p.epoch + 1, crashes = CASE WHEN p.holder IS NULL THEN p.crashes ELSE p.crashes + 1 END
FROM free WHERE p.log_id = :log AND p.partition = free.partition
""")  # noqa: S608 - made of constants
_HELD = text("""
SELECT partition, epoch, next_offset, crashes, suspect_offset, suspect_count FROM log_partition
WHERE log_id = :log AND holder = :me ORDER BY partition
""")
_RELEASE = text("UPDATE log_partition SET holder = NULL WHERE log_id = :log AND partition = :partition AND holder = :me AND epoch = :epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """A worker as the database knows it: one process, for its life, in one slot of one log."""

    slot: str  # logical place: "headcount-0", or the host's name
    worker_id: UUID  # random
    log_id: int


class PostgresClaims:
    """Implements `pipeline.ports.Claims` for one incarnation of a worker.

    Args:
        database: One of its own, so that renewing never waits for a lane's connection.
        ttl_s: A worker that has not renewed for this long loses its partitions.
    """

    def __init__(self, database: Database, incarnation: Incarnation, *, ttl_s: float) -> None:
        self._database = database
        self._own = {"slot": incarnation.slot, "me": incarnation.worker_id, "log": incarnation.log_id, "ttl": ttl_s}
        self._returned: set[tuple[int, int]] = set()  # (partition, epoch) of the claims that the worker knows of

    def renew(self) -> None:
        """Say that this worker lives (see `pipeline.ports.Claims`)."""
        with self._database.transaction() as connection:
            if connection.execute(_RENEW, self._own).rowcount == 0:
                raise SupersededError(f"a newer worker runs in slot {self._own['slot']!r}: this one must end")

    def acquire(self) -> Sequence[Claim]:
        """Claim free partitions up to the fair share (see `pipeline.ports.Claims`).

        Also those that were claimed when the connection was lost before the answer came: what is held and was never returned.
        """
        with self._database.transaction() as connection:
            connection.execute(_ACQUIRE, self._own)
            held = [Claim(**row._mapping) for row in connection.execute(_HELD, self._own)]  # noqa: SLF001 - its public name
        new = [claim for claim in held if (claim.partition, claim.epoch) not in self._returned]
        self._returned = {(claim.partition, claim.epoch) for claim in held}
        return new

    def surplus(self, held: int) -> int:
        """Return how many of `held` claims lie above the fair share."""
        with self._database.transaction() as connection:
            return int(connection.execute(_SURPLUS, {**self._own, "held": held}).scalar_one())

    def release(self, claim: Claim) -> None:
        """Give a claim back; does nothing when it is no longer ours."""
        with self._database.transaction() as connection:
            connection.execute(_RELEASE, {**self._own, "partition": claim.partition, "epoch": claim.epoch})

    def leave(self) -> None:
        """Give the slot and all claims back, so that others need not wait for the TTL; the last call before the end."""
        with self._database.transaction() as connection:
            connection.execute(_LEAVE, self._own)


def enrol(database: Database, *, slot: str, log_id: int) -> Incarnation:
    """Begin a new incarnation in a slot; an earlier one there is superseded, and its claims are free at once."""
    incarnation = Incarnation(slot=slot, worker_id=uuid4(), log_id=log_id)
    parameters = {"slot": slot, "me": incarnation.worker_id, "log": log_id, "node": socket.gethostname(), "pid": os.getpid()}
    with database.transaction() as connection:
        connection.execute(_ENROL, parameters)
    return incarnation
