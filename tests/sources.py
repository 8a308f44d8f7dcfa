"""Reads sources for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.ports import SourcePosition
from pipeline.settings import Settings
from pipeline.types import SegmentKind
from tests.clocks import SteppedClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.types import Segment

CAMERA_ID = UUID(int=1)
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def options(settings: Settings | None = None, notice: Callable[[str], None] | None = None, fps: float = 1.0) -> SourceOptions:
    return SourceOptions(
        settings=settings or Settings(),
        clock=SteppedClock(),
        fps=fps,
        start=START,
        notice=notice or _unheard,
    )


def _unheard(message: str) -> None:
    del message


def read(source: Path | str, how: SourceOptions | None = None, next_sequence: int = 0) -> list[Segment]:
    """Return all records of a file or folder, END included."""
    opened = open_source(str(source), how or options())
    try:
        return list(opened.segments(SourcePosition(camera_id=CAMERA_ID, session=opened.session or 1, next_sequence=next_sequence)))
    finally:
        opened.close()


def videos(records: list[Segment]) -> list[Segment]:
    return [record for record in records if record.kind is SegmentKind.GOP]
