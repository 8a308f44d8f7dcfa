"""When live pictures were captured, and what is said while none come; real sockets on loopback."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest

from pipeline.settings import Settings
from pipeline.types import SegmentKind, to_us
from services.feed import Feeding, FeedOptions, register, usable_sources
from services.progress import RunProgress
from services.wiring import Place
from tests.clips import make_clip
from tests.clocks import FastClock, RealClock
from tests.live import LIVE_CLIP, Watch
from tests.metered import metered
from tests.rtspd import Behaviour, RtspServer
from tests.sources import videos
from tests.unit.test_feed import MemoryColumn

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from services.wiring import Column

TIMES = 20  # the clock's speed where 20 s of silence are waited for
QUIET_S = 20
SLACK_US = 100_000  # of a capture time
SHORT = Settings(segment_target_s=0.4, segment_max_s=2, connect_timeout_s=0.5, read_timeout_s=0.5)


class SetClock(RealClock):
    """The machine's clock, which may be set."""

    step = timedelta()

    def now(self) -> datetime:
        return super().now() + self.step


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
    ended_us = to_us(RealClock().now())
    assert sum(segment.frame_count for segment in segments) > 65
    assert all(later.captured_us > before.captured_us for before, later in pairwise(segments))
    assert all(abs(later.captured_us - before.end_us) < 25_000 for before, later in pairwise(segments))
    assert began_us - SLACK_US < segments[0].captured_us
    assert segments[-1].end_us < ended_us + SLACK_US


def wait_for(column: MemoryColumn, records: int) -> None:
    """Wait until the log holds so many records."""
    deadline_s = time.monotonic() + 60
    while len(column.log.partitions[0]) < records:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=3)])
def test_a_host_whose_clock_is_set_by_much_begins_a_new_session(clip: Path, tmp_path: Path, step: timedelta) -> None:
    refused = metered("headcount_capture_times_refused_total")
    clock = SetClock()
    place = Place(database_url="", log_path=tmp_path / "log", kept=True)
    settings = SHORT.model_copy(update={"connect_timeout_s": 5, "read_timeout_s": 5})  # a busy machine is no silent camera
    column = MemoryColumn(clock=clock, settings=settings, place=place)
    with RtspServer(clip) as server:
        wanted = FeedOptions(sources=[f"rtsp://{server.address}/live"])
        feeding = Feeding(cast("Column", column), wanted, RunProgress(), column.notices.append)
        feeds = register(cast("Column", column), usable_sources(wanted, settings)[0], wanted)
        with feeding.running(feeds):
            wait_for(column, 3)
            clock.step = step
            wait_for(column, 8)
    first, second = ([segment for segment in column.log.segments(0) if segment.session == number] for number in (1, 2))
    assert first[-1].kind is SegmentKind.END
    moved = timedelta(microseconds=second[0].captured_us - first[-1].captured_us)
    assert abs(moved - step) < timedelta(seconds=20)
    assert metered("headcount_capture_times_refused_total") == refused + 1
    assert not feeding.failures
    assert any("clock was set" in notice for notice in column.notices)


def test_a_slow_camera_is_not_cut_off(clip: Path) -> None:
    settings = Settings(segment_target_s=0.4, segment_max_s=30, connect_timeout_s=2, read_timeout_s=1)
    with RtspServer(clip, Behaviour(interval_s=0.4)) as server:
        watch = Watch(url=f"rtsp://{server.address}/live", count=1, limit_s=8, settings=settings)
        segments = videos(watch.read())
    assert watch.said == []
    assert segments[0].duration_us == pytest.approx(4_000_000, abs=100_000)
    assert segments[0].frame_count == 10
