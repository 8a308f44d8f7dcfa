from __future__ import annotations

import io
from dataclasses import replace
from uuid import UUID

import pytest
from rich.console import Console

from pipeline.health import Health
from pipeline.types import BatchResult, CoverageMinute, Detections, Segment, SegmentKind
from pipeline.watch import FrameTrace
from services.progress import RunProgress, shown
from tests.contract.samples import NOON, a_visit

CAMERA = UUID(int=1)
VIDEO = Segment(camera_id=CAMERA, session=1, sequence=0, kind=SegmentKind.GOP, captured_us=1, frame_count=10, payload=b"x")
END = Segment(camera_id=CAMERA, session=1, sequence=1, kind=SegmentKind.END, captured_us=1)
TRACE = FrameTrace(camera_id=CAMERA, captured_us=1, pts_us=0, detections=Detections.none(), tracks=(), open_tracks=2)


def test_what_is_told_is_shown_in_one_line() -> None:
    progress = RunProgress()
    for segment in (VIDEO, VIDEO, END):
        progress.on_segment(segment)
    for camera in (1, 2):
        progress.own.on_frame(replace(TRACE, camera_id=UUID(int=camera)))
    assert progress.open_tracks == 4
    minute = CoverageMinute(camera_id=CAMERA, minute=NOON, segments=1)
    progress.own.on_commit(BatchResult(visits=(a_visit(CAMERA),), coverage=(minute,), states={CAMERA: None}))
    assert "segments 1/2 " in progress.line()
    assert "faces 0  open tracks 2  visits 1" in progress.line()


def test_what_worker_processes_say_is_added_and_a_dead_one_follows_nobody() -> None:
    progress = RunProgress()
    own_s = progress.stage_s()["decode"]
    for slot, incarnation, frames in (("a", "1", 3), ("b", "2", 4), ("a", "1", 5), ("a", "3", 6)):
        health = Health(incarnation=incarnation, pid=1, frames=frames, segments=1, open_tracks=2, stage_s={"decode": 0.5})
        progress.tell(slot, health)
    assert progress.frames == 5 + 4 + 6
    assert progress.segments_done == 3
    assert progress.open_tracks == 2 + 2
    assert progress.stage_s()["decode"] == pytest.approx(own_s + 1.5)


def test_the_rate_is_that_of_the_last_samples() -> None:
    progress = RunProgress()
    assert progress.sample() == 0
    progress.own.on_frame(TRACE)
    assert progress.sample() > 0


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO())
    with shown(RunProgress(), console):
        pass
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_a_terminal_shows_the_line() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with shown(RunProgress(), console):
        pass
    assert isinstance(console.file, io.StringIO)
    assert "open tracks 0" in console.file.getvalue()
