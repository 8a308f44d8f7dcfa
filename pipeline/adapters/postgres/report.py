"""What a run reports: the visits and the totals of some cameras. Imports types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Uuid

from pipeline.adapters.postgres.rows import visit_of
from pipeline.adapters.postgres.schema import visit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import TextClause

    from pipeline.adapters.postgres.database import Database
    from pipeline.types import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the coverage of some cameras."""

    segments: int  # log records that were analysed
    frames_decoded: int
    frames_analysed: int
    detections: int
    seconds: int  # observed
    rejected: Mapping[str, int]  # reason -> how many
    dead_letters: Mapping[str, int]  # reason -> how many


Session: TypeAlias = tuple["UUID", int]  # of a camera: live cameras count theirs from 1


def _over_cameras(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("cameras", type_=ARRAY(Uuid())),
        bindparam("session_cameras", type_=ARRAY(Uuid())),
        bindparam("sessions", type_=ARRAY(BigInteger())),
    )


_CHOSEN = "(:sessions IS NULL OR (camera_id, session) IN (SELECT * FROM unnest(:session_cameras, :sessions)))"
# A session covers the minutes from its first to its last acknowledged record.
_MINUTES = f"""
(SELECT o.* FROM coverage o WHERE o.camera_id = ANY(:cameras) AND (:sessions IS NULL OR EXISTS (
    SELECT 1 FROM session s WHERE s.camera_id = o.camera_id AND {_CHOSEN.replace("(camera_id, session)", "(s.camera_id, s.session)")}
    AND o.minute >= date_trunc('minute', s.started_at) AND o.minute <= s.ended_at)))
"""  # noqa: S608 - made of constants
_SUMS = _over_cameras(f"""
SELECT coalesce(sum(segments), 0)::bigint AS segments, coalesce(sum(frames_decoded), 0)::bigint AS frames_decoded,
       coalesce(sum(frames_analysed), 0)::bigint AS frames_analysed, coalesce(sum(detections), 0)::bigint AS detections,
       coalesce(sum(bit_count(seconds)), 0)::bigint AS seconds
FROM {_MINUTES} o
""")  # noqa: S608 - made of constants
_REJECTED = _over_cameras(f"""
SELECT r.reason, sum(r.n)::bigint FROM coverage_reject r JOIN {_MINUTES} o USING (camera_id, minute) GROUP BY r.reason ORDER BY r.reason
""")  # noqa: S608 - made of constants
_DEAD_LETTERS = _over_cameras(f"""
SELECT reason, count(*) FROM dead_letter WHERE camera_id = ANY(:cameras) AND {_CHOSEN} GROUP BY reason ORDER BY reason
""")  # noqa: S608 - made of constants


class PostgresReport:
    """Reads what was committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def visits(self, cameras: Collection[UUID], sessions: Collection[Session] | None = None) -> list[Visit]:
        """Return the visits of these cameras (and only of these sessions) by their beginning."""
        chosen = select(visit).where(visit.c.camera_id.in_(cameras)).order_by(visit.c.started_at, visit.c.visit_id)
        if sessions is not None:
            chosen = chosen.where(tuple_(visit.c.camera_id, visit.c.session).in_(sessions))
        with self._database.transaction() as connection:
            return [visit_of(row) for row in connection.execute(chosen).mappings()]

    def count_visits(self, cameras: Collection[UUID]) -> int:
        """Return how many visits of these cameras are stored."""
        chosen = select(func.count()).select_from(visit).where(visit.c.camera_id.in_(cameras))
        with self._database.transaction() as connection:
            return connection.execute(chosen).scalar_one()

    def totals(self, cameras: Collection[UUID], sessions: Collection[Session] | None = None) -> Totals:
        """Return the totals of these cameras, or of the minutes of their given sessions."""
        parameters: dict[str, Any] = {
            "cameras": list(cameras),
            "session_cameras": None if sessions is None else [camera for camera, _ in sessions],
            "sessions": None if sessions is None else [session for _, session in sessions],
        }
        with self._database.transaction() as connection:
            sums = connection.execute(_SUMS, parameters).mappings().one()
            rejected, dead_letters = (
                {reason: int(n) for reason, n in connection.execute(statement, parameters)} for statement in (_REJECTED, _DEAD_LETTERS)
            )
        return Totals(**sums, rejected=rejected, dead_letters=dead_letters)
