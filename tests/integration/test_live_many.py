"""Live cameras that come and go many times, and many that hang; real sockets on loopback.

LIVE_RECONNECTS=200 makes the loss of connections as long as a bad week of a camera; a few are enough for every day.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.settings import Settings
from tests.clips import make_clip
from tests.clocks import FastClock
from tests.live import LIVE_CLIP, Watch
from tests.rtspd import Behaviour, RtspServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.errors import SourceError

RECONNECTS = int(os.environ.get("LIVE_RECONNECTS", "30"))
WARM = 10  # connections until caches and pools are full
HUNG = 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip", LIVE_CLIP)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_memory_and_files_are_flat_over_many_reconnects(clip: Path, record_property: Callable[[str, object], None]) -> None:
    files, memory = [], []
    with RtspServer(clip, Behaviour(close_after=21, always_close_after=21, interval_s=0.002)) as server:
        watch = Watch(url=f"rtsp://{server.address}/live", limit_s=240, clock=FastClock(50))
        connections = 0
        for record in watch.records():
            if record.reconnected:
                connections += 1
                files.append(open_files())
                memory.append(resident_mib())
            if connections == RECONNECTS:
                watch.stop.set()
    assert len(memory) >= RECONNECTS
    record_property("files", (files[WARM], files[-1]))
    record_property("memory_mib", (memory[WARM], memory[-1]))
    assert max(files[WARM:]) - min(files[WARM:]) <= 2
    assert memory[-1] - memory[WARM] < 5


def test_hung_cameras_do_not_slow_a_good_one(clip: Path) -> None:
    patient = Settings(segment_target_s=0.4, connect_timeout_s=4.5, read_timeout_s=4.5)
    errors: list[SourceError] = []
    with RtspServer(clip, Behaviour(freeze="DESCRIBE")) as frozen, RtspServer(clip, Behaviour(silent_after=0)) as silent:
        hung = [
            threading.Thread(
                target=lambda url: errors.append(Watch(url=url, settings=patient).fails()), args=(f"rtsp://{server.address}/live",)
            )
            for server in (frozen, silent)
            for _ in range(HUNG // 2)
        ]
        for thread in hung:
            thread.start()
        with RtspServer(clip) as good:
            heard_s = [time.monotonic() for _ in Watch(url=f"rtsp://{good.address}/live", count=6).records()]
        all_hung = all(thread.is_alive() for thread in hung)
        for thread in hung:
            thread.join()
    assert all_hung
    assert max(later - before for before, later in pairwise(heard_s)) < 1.5  # a segment is 0.5 s long; a hung camera is waited for 4.5 s
    assert [error.kind for error in errors] == ["timeout"] * HUNG
