from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.types import from_us
from services.demo import CREATED, FPS, SECONDS, WALKS, make_demo_clip
from tests.sources import options, read, videos

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_clip_is_the_same_each_time_and_dated(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the extra headcount[demo]")
    clips = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for clip in clips:
        make_demo_clip(clip)
    assert clips[0].read_bytes() == clips[1].read_bytes()
    how = options()
    segments = videos(read(clips[0], type(how)(settings=how.settings, clock=how.clock)))
    assert sum(segment.frame_count for segment in segments) == FPS * SECONDS
    assert from_us(segments[0].captured_us).isoformat() == CREATED.replace(".000000Z", "+00:00")


def test_two_of_the_three_visits_are_seen_at_once() -> None:
    seen = [sum(walk.at(tick / 10) is not None for walk in WALKS) for tick in range(SECONDS * 10)]
    assert (len(WALKS), max(seen), min(seen)) == (3, 2, 0)
