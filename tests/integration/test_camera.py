"""Live cameras against our own RTSP server, in real time."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.errors import SourceError
from pipeline.ports import SourcePosition
from pipeline.settings import Settings
from pipeline.types import Segment, SegmentKind
from tests.clips import Clip, make_clip
from tests.clocks import RealClock
from tests.rtspd import Behaviour, RtspServer
from tests.sources import CAMERA_ID, videos

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(segment_target_s=0.8, segment_max_s=2, connect_timeout_s=1, read_timeout_s=1)
SLACK_US = 100_000  # of a capture time


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0", "threads": "1"}
    return make_clip(tmp_path_factory.mktemp("clip") / "clip", Clip(fps=20, frames=60, options=params))


def watch(url: str, count: int, said: list[str] | None = None) -> list[Segment]:
    """Read a live source until it has given `count` records, then stop it and take what it says last."""
    stop, notices = threading.Event(), said if said is not None else []
    options = SourceOptions(settings=SETTINGS, clock=RealClock(), notice=notices.append, stop=stop)
    source, records = open_source(url, options), []
    try:
        for record in source.segments(SourcePosition(camera_id=CAMERA_ID, session=3)):
            records.append(record)
            if len(records) >= count:
                stop.set()
    finally:
        source.close()
    return records


def test_a_camera_is_cut_dated_by_the_servers_clock_and_ended(clip: Path) -> None:
    began_us = time.time() * 1e6
    with RtspServer(clip) as server:
        records = watch(f"rtsp://{server.address}/live", 2)
    ended_us = time.time() * 1e6
    segments = videos(records)
    assert records[-1].kind is SegmentKind.END
    assert [record.sequence for record in records] == list(range(len(records)))
    assert [segment.frame_count for segment in segments[:2]] == [20, 20]
    assert began_us - SLACK_US < segments[0].captured_us
    assert segments[-1].end_us < ended_us + SLACK_US
    assert all(abs(later.captured_us - before.end_us) < 20_000 for before, later in pairwise(segments))
    assert not any(segment.reconnected for segment in segments)


def test_a_lost_camera_is_found_again_and_time_only_grows(clip: Path) -> None:
    said: list[str] = []
    with RtspServer(clip, Behaviour(close_after=25)) as server:
        records = videos(watch(f"rtsp://user:s3cret@{server.address}/live", 4, said))
    assert [segment.reconnected for segment in records].count(True) == 1
    captured = [segment.captured_us for segment in records]
    assert captured == sorted(set(captured))
    assert len(said) == 1
    assert "connecting again" in said[0]
    assert "s3cret" not in said[0]


def test_keyframes_that_are_too_far_apart_are_the_users_to_mend(clip: Path) -> None:
    with RtspServer(clip, Behaviour(only_first_key=True)) as server, pytest.raises(SourceError) as caught:
        watch(f"rtsp://admin:s3cret@{server.address}/live", 100)
    assert (caught.value.kind, caught.value.exit_code) == ("keyframe_interval_too_long", 2)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://127.0.0.1:1/x", "connection_failed"),
        ("http://127.0.0.1:1/x", "connection_failed"),
        ("rtsp://nobody.invalid/x", "connection_failed"),
        ("rtsp://admin:s3/cret@", "connection_failed"),
    ],
)
def test_an_address_that_nobody_answers(url: str, kind: str) -> None:
    with pytest.raises(SourceError) as caught:
        watch(url, 1)
    assert (caught.value.kind, caught.value.exit_code) == (kind, 1)
    assert "cret" not in str(caught.value)
