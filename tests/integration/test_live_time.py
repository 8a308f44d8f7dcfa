"""When live pictures were captured, and what is said while none come; real sockets on loopback."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.settings import Settings
from pipeline.types import SegmentKind, to_us
from tests.clips import make_clip
from tests.clocks import FastClock, RealClock
from tests.live import LIVE_CLIP, Watch
from tests.rtspd import Behaviour, RtspServer
from tests.sources import videos

if TYPE_CHECKING:
    from pathlib import Path

TIMES = 20  # the clock's speed where 20 s of silence are waited for
QUIET_S = 20
SHORT = Settings(segment_target_s=0.4, segment_max_s=2, connect_timeout_s=0.5, read_timeout_s=0.5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip", LIVE_CLIP)


@pytest.mark.parametrize("then", [Behaviour(freeze="DESCRIBE"), Behaviour(silent_after=0)])
def test_a_quiet_camera_says_so_once_and_in_time(clip: Path, then: Behaviour) -> None:
    clock = FastClock(TIMES)
    with RtspServer(clip, Behaviour(silent_after=25)) as server:
        watch = Watch(url=f"rtsp://{server.address}/live", limit_s=3.6, settings=SHORT, clock=clock)
        records, heard = [], {}
        for record in watch.records():
            server.behaviour = then
            records.append(record)
            heard[record.kind] = clock.now()
    assert [record.kind for record in records[-2:]] == [SegmentKind.GAP, SegmentKind.END]
    assert [record.kind for record in records].count(SegmentKind.GAP) == 1
    assert [record.sequence for record in records] == list(range(len(records)))
    gap = records[-2]
    assert gap.captured_us == pytest.approx(to_us(heard[SegmentKind.GAP]) - QUIET_S * 1_000_000, abs=500_000)
    assert gap.captured_us >= videos(records)[-1].captured_us
    lateness = heard[SegmentKind.GAP] - heard[SegmentKind.GOP] - timedelta(seconds=QUIET_S)
    assert timedelta() <= lateness < timedelta(seconds=18)  # a read timeout of 10 s by this clock, and what a busy machine adds


def test_a_camera_that_comes_back_after_the_gap_record_lies_behind_it(clip: Path) -> None:
    with RtspServer(clip, Behaviour(silent_after=25)) as server:
        watch, records = Watch(url=f"rtsp://{server.address}/live", limit_s=12, settings=SHORT, clock=FastClock(TIMES)), []
        for record in watch.records():
            records.append(record)
            server.behaviour = Behaviour() if record.kind is SegmentKind.GAP else Behaviour(status="503 Busy")
            if record.reconnected:
                watch.stop.set()
    gap = next(index for index, record in enumerate(records) if record.kind is SegmentKind.GAP)
    assert records[gap + 1].reconnected
    assert all(record.captured_us >= records[gap].captured_us for record in videos(records[gap:]))


def test_a_step_back_of_the_cameras_clock_is_not_seen_in_capture_time(clip: Path) -> None:
    settings = Settings(segment_target_s=1.4, segment_max_s=5, connect_timeout_s=3, read_timeout_s=1)
    began_us = to_us(RealClock().now())
    with RtspServer(clip, Behaviour(jump_after=40, jump_s=-500.0)) as server:
        segments = videos(Watch(url=f"rtsp://{server.address}/live", count=3, settings=settings).read())
    assert sum(segment.frame_count for segment in segments) > 65
    assert all(later.captured_us > before.captured_us for before, later in pairwise(segments))
    assert all(abs(later.captured_us - before.end_us) < 25_000 for before, later in pairwise(segments))
    assert segments[0].captured_us == pytest.approx(began_us, abs=500_000)


def test_a_slow_camera_is_not_cut_off(clip: Path) -> None:
    settings = Settings(segment_target_s=0.4, segment_max_s=30, connect_timeout_s=2, read_timeout_s=1)
    with RtspServer(clip, Behaviour(interval_s=0.4)) as server:
        watch = Watch(url=f"rtsp://{server.address}/live", count=1, limit_s=8, settings=settings)
        segments = videos(watch.read())
    assert watch.said == []
    assert segments[0].duration_us == pytest.approx(4_000_000, abs=100_000)
    assert segments[0].frame_count == 10
