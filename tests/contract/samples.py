"""Values that the database's tests write, and short ways to look at the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import text

from pipeline.types import Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.postgres.claims import Incarnation
    from pipeline.adapters.postgres.database import Database

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def a_visit(camera_id: UUID, **changes: object) -> Visit:
    values: dict[str, Any] = {
        "visit_id": uuid4(),
        "camera_id": camera_id,
        "session": 7,
        "started_at": NOON,
        "ended_at": NOON + timedelta(seconds=3.5),
        "age": 30.5,
        "age_low": 22.0,
        "age_high": 41.0,
        "age_band": "30-39",
        "band_probs": (0.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0, 0.0, 0.0),
        "p_female": 0.75,
        "gender": "female",
        "observations": 4,
        "detections": 17,
        "quality": 0.5,
        "first_box": (10, 20, 30, 40),
        "last_box": (50, 60, 70, 80),
        "model": "face_attributes:1/tight-1",
        "detector": "yunet-n@104ee26c",
    }
    return Visit(**{**values, **changes})


def query(database: Database, statement: str, **parameters: object) -> Sequence[tuple[Any, ...]]:
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(statement), parameters)]


def execute(database: Database, statement: str, **parameters: object) -> None:
    with database.transaction() as connection:
        connection.execute(text(statement), parameters)


def seen(database: Database, worker: Incarnation, ago: str) -> None:
    """Make a worker's last sign of life as old as `ago`; a negative age keeps it alive however slow the test runs."""
    execute(database, "UPDATE worker SET seen_at = now() - CAST(:ago AS interval) WHERE worker_id = :me", ago=ago, me=worker.worker_id)
