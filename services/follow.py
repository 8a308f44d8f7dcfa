"""Follows the faces of one video without log or database: the same engine, one segment after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.errors import ConfigurationError
from pipeline.ports import SourcePosition
from pipeline.record import to_record
from pipeline.types import StoredRecord
from services.brain import load_brain
from services.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.settings import Settings
    from pipeline.types import CameraState, Segment, Visit
    from pipeline.watch import FrameTrace

_CAMERA = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a video showed: its visits, and each analysed frame's faces with their tracks."""

    visits: Sequence[Visit]
    numbers: Mapping[UUID, int]  # of all tracks, by visit
    traces: Sequence[FrameTrace]
    start_us: int


def follow(path: str, settings: Settings, notice: Callable[[str], None], on_frame: Callable[[FrameTrace], None]) -> Followed:
    """Run the engine over a video and keep each analysed frame's faces.

    Raises:
        SourceError: It cannot be used.
    """
    traces: list[FrameTrace] = []

    def trace(seen: FrameTrace) -> None:
        traces.append(seen)
        on_frame(seen)

    brain = load_brain(settings, notice, trace)
    states: Mapping[UUID, CameraState] = {}
    visits: list[Visit] = []
    start_us = 0
    for offset, segment in enumerate(segments_of(path, settings, notice)):
        start_us = start_us or segment.captured_us
        record = StoredRecord(partition=0, offset=offset, record=to_record(segment))
        seen = brain.engine.observe(states, [record])
        conclusion = brain.engine.conclude(seen, brain.classifier.classify(seen.crops))
        states = conclusion.states
        visits += conclusion.result.visits
        for letter in conclusion.result.dead_letters:
            notice(f"{path}: a part was set aside ({letter.reason})")
    numbers = {track.visit_id: track.number for seen_frame in traces for track in seen_frame.tracks if track is not None}
    ordered = sorted(visits, key=lambda visit: numbers[visit.visit_id])
    return Followed(visits=ordered, numbers=numbers, traces=traces, start_us=start_us)


def segments_of(path: str, settings: Settings, notice: Callable[[str], None]) -> Iterator[Segment]:
    """Yield the segments of a file, the same each time.

    Raises:
        SourceError: It cannot be used.
        ConfigurationError: It is a camera.
    """
    source = open_source(path, SourceOptions(settings=settings, clock=SystemClock(), notice=notice))
    try:
        if source.session is None:
            raise ConfigurationError("analyze takes a file; for cameras there is `headcount run`")
        yield from source.segments(SourcePosition(camera_id=_CAMERA, session=source.session))
    finally:
        source.close()
