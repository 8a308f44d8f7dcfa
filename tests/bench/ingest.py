"""What cutting a recording into segments costs, and carrying them into the log, against decoding it."""

from __future__ import annotations

import tempfile
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import av

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.adapters.locallog import LocalLog
from pipeline.backlog import Backlog
from pipeline.ingest import Ingest
from pipeline.settings import Settings
from pipeline.video.open import bound_decoder, open_segment
from services.clock import SystemClock
from services.follow import segments_of
from services.segment_log import log_limits
from tests.bench.material import FPS, busy
from tests.bench.measure import Figure, alternately, cost_of, count, cpu, ratio, wall
from tests.fakes import MemoryRegistry
from tests.spools import NO_DISK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.types import Segment
    from tests.bench.measure import Cost
    from tests.bench.setup import Setup

_SECONDS = 120
_DECODED_SECONDS = 10


def ingest(setup: Setup) -> list[Figure]:
    """Per frame of 1080p: remuxing a file, carrying it into the local log (fsync, a registry in memory), and decoding it."""
    clip, settings = busy(setup.clips, _SECONDS), Settings()
    frames, decoded = _SECONDS * FPS, _DECODED_SECONDS * FPS
    few = list(islice(_segments(clip, settings), _DECODED_SECONDS // 2))
    costs = alternately(
        setup.repeats,
        {
            "remux": lambda: cost_of(lambda: sum(1 for _ in _segments(clip, settings))).per(frames),
            "log": lambda: _into_the_log(clip, settings).per(frames),
            "decode": lambda: cost_of(lambda: _decode(few)).per(decoded),
        },
    )
    remux, log, decode = (cpu(name, costs[name], unit="µs a frame", scale=1e6) for name in ("remux", "log", "decode"))
    return [
        remux,
        log,
        decode,
        wall("log", costs["log"], unit="µs a frame", scale=1e6),
        ratio("remux : decode, CPU", remux, decode, goal="at most 0.02"),
        ratio("log : decode, CPU", log, decode),
        cpu("log, share of a core for 25 frames/s", costs["log"], unit="%", scale=100.0 * FPS),
        count("bytes of the segments : bytes of the camera's packets", _growth(clip, settings), "x", goal="at most 1.05"),
    ]


def _segments(clip: Path, settings: Settings) -> Iterator[Segment]:
    return (segment for segment in segments_of(str(clip), settings, lambda _: None) if segment.payload)


def _into_the_log(clip: Path, settings: Settings) -> Cost:
    clock = SystemClock()
    registry = MemoryRegistry()
    source = open_source(str(clip), SourceOptions(settings=settings, clock=clock))
    with (
        tempfile.TemporaryDirectory(prefix="headcount-bench-") as folder,
        LocalLog(Path(folder), clock=clock, limits=log_limits(settings)) as log,
    ):
        backlog = Backlog(settings.uncommitted_max_bytes)
        carrier = Ingest(log=log, registry=registry, clock=clock, stop=threading.Event(), backlog=backlog, spool=NO_DISK)
        cost = cost_of(lambda: carrier.run(source, registry.register("bench", str(clip))))
    source.close()
    return cost


def _decode(segments: Sequence[Segment]) -> None:
    """Decode every frame, and do nothing with it."""
    for segment in segments:
        with open_segment(segment.payload) as container:
            stream = container.streams.video[0]
            bound_decoder(stream, segment.width_px * segment.height_px)
            if sum(1 for _ in container.decode(stream)) != segment.frame_count:
                raise AssertionError("not every frame was decoded")


def _growth(clip: Path, settings: Settings) -> float:
    with av.open(str(clip)) as container:
        packets = sum(packet.size for packet in container.demux(video=0))
    return sum(len(segment.payload) for segment in _segments(clip, settings)) / packets
