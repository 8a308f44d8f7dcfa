"""A camera whose log is away for a while, and an ingest that is killed meanwhile; real sockets, real processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.backlog import Backlog
from pipeline.errors import LogUnavailableError
from pipeline.ingest import Ingest
from pipeline.types import SegmentKind
from tests.clips import make_clip
from tests.clocks import RealClock
from tests.fakes import MemoryLog, MemoryRegistry
from tests.live import LIVE_CLIP, SETTINGS
from tests.rtspd import RtspServer
from tests.spools import spool_in
from tests.unit.test_spool import end, opened, sent

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Record, Segment

ROUNDS = 3
AWAY = 6  # appends that fail: some six seconds


class LateLog(MemoryLog):
    """A log that is away after its first records."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def append(self, partition: int, record: Record) -> int:
        if self.refused < AWAY and len(self.partitions[partition]) >= 2:
            self.refused += 1
            raise LogUnavailableError("the log is away")
        return super().append(partition, record)


def test_a_killed_process_leaves_all_that_it_put(tmp_path: Path) -> None:
    put: list[tuple[int, int]] = []
    for session in range(1, ROUNDS + 1):
        command = [sys.executable, "-m", "tests.integration.spool_process", str(tmp_path), str(session)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            put += [(session, int(process.stdout.readline())) for _ in range(20)]
            process.kill()
    taken = sent(opened(spool_in(tmp_path, max_bytes=2**30), session=ROUNDS + 1))
    carried = [(session, sequence) for session, sequence, kind in taken if kind is SegmentKind.GOP]
    assert carried == sorted(set(carried))
    assert set(put) <= set(carried)
    ends = [one for one in taken if one[2] is SegmentKind.END]
    assert ends == [
        end(max(sequence for number, sequence in carried if number == session) + 1, session) for session in range(1, ROUNDS + 1)
    ]


def test_a_camera_loses_nothing_while_its_log_is_away(tmp_path: Path) -> None:
    clip, log, stop = make_clip(tmp_path / "clip", LIVE_CLIP), LateLog(), threading.Event()
    carried: list[Segment] = []

    def on_segment(segment: Segment) -> None:
        carried.append(segment)
        if log.refused >= AWAY and len(carried) > 2 * AWAY:
            stop.set()

    ingest = Ingest(
        log=log,
        registry=MemoryRegistry(),
        clock=RealClock(),
        stop=stop,
        backlog=Backlog(2**30),
        spool=spool_in(tmp_path / "spool", max_bytes=2**26),
        progress=on_segment,
    )
    timer = threading.Timer(90, stop.set)
    timer.start()
    with RtspServer(clip) as server:
        source = open_source(f"rtsp://{server.address}/live", SourceOptions(settings=SETTINGS, clock=RealClock(), stop=stop))
        try:
            outcome = ingest.run(source, ingest.registry.register("door", "rtsp://door"))
        finally:
            timer.cancel()
            source.close()
    landed = log.segments(0)
    assert (log.refused, outcome.finished, outcome.spooled) == (AWAY, True, 0)
    assert [segment.sequence for segment in landed] == list(range(len(landed)))
    assert not any(segment.reconnected for segment in landed)
    frame_us = 1_000_000 // LIVE_CLIP.fps
    videos = [segment for segment in landed if segment.kind is SegmentKind.GOP]
    assert all(abs(later.pts_us - earlier.pts_us - earlier.duration_us) < frame_us for earlier, later in pairwise(videos))
    assert not list((tmp_path / "spool").glob("*/*.segment"))
