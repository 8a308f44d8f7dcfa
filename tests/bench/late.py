"""Live cameras through the production column: how late their rows are, and what each process costs meanwhile."""

from __future__ import annotations

import signal
import statistics
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.record import to_segment
from pipeline.types import SegmentKind
from tests.bench.measure import Figure, count
from tests.e2e.command import finish
from tests.e2e.manifest import in_topic
from tests.e2e.paced import Paced
from tests.rtspd import RtspServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.bench.column import Column, Site
    from tests.e2e.servers import Servers

_CAMERAS = 2
_WARM_UP_S = 20.0  # Ray and the models are being started
_LOOK_S = 2.0
_MIB, _US = 2**20, 1e6
_NOTE = """
CREATE TABLE bench_moved (at_s double precision, partition integer, next_offset bigint);
CREATE FUNCTION bench_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO bench_moved VALUES (extract(epoch FROM clock_timestamp()), NEW.partition, NEW.next_offset); RETURN NULL; END $$;
CREATE TRIGGER bench_moved AFTER UPDATE OF next_offset ON log_partition FOR EACH ROW EXECUTE FUNCTION bench_moved();
"""
_READ = "SELECT partition, next_offset, at_s FROM bench_moved ORDER BY at_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    at_s: float
    cpu_s: Mapping[str, float]  # by what the processes are
    bytes: Mapping[str, int]  # proportional set sizes


def live(site: Site, servers: Servers, clip: Path, *, minutes: float) -> list[Figure]:
    """Feed live 1080p cameras, have them analysed under Ray for so long, and look at the processes."""
    program, column = site.column()
    program = servers.column(program, _CAMERAS)
    column.ask(_NOTE)
    with ExitStack() as stack:
        cameras = [stack.enter_context(RtspServer(clip)) for _ in range(_CAMERAS)]
        addresses = tuple(f"rtsp://{camera.address}/hall" for camera in cameras)
        paced = stack.enter_context(
            Paced(
                program=program,
                database_url=column.url,
                sources=addresses,
                folder=column.data_dir.with_suffix(".said"),
                live=True,
                worker_options=("--address", "local"),
            )
        )
        paced.wait_for_commits(1)
        time.sleep(_WARM_UP_S)
        looks = list(_looks(60 * minutes))
        paced.ingest.send_signal(signal.SIGTERM)
        finish(paced.ingest)
        paced.wait_for_the_end()
    return [*_late(servers, program.settings["kafka_topic"], column, since_s=looks[0].at_s, to_s=looks[-1].at_s), *_costs(looks)]


def _looks(seconds: float) -> Iterator[_Look]:
    until_s = time.monotonic() + seconds
    while True:
        cpu_s: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times, name = process.cpu_times(), _kind(process)
                sizes[name] += process.memory_full_info().pss
                cpu_s[name] += times.user + times.system  # type: ignore[assignment]  # a Counter adds up floats as well
        yield _Look(at_s=time.time(), cpu_s=cpu_s, bytes=sizes)
        if time.monotonic() > until_s:
            return
        time.sleep(_LOOK_S)


def _kind(process: psutil.Process) -> str:
    """Return the part of the column that a process belongs to."""
    words = process.cmdline() or [process.name()]
    if words[0].startswith("ray::Worker"):
        return "Ray's workers"
    parts = {"kafka.Kafka": "Kafka", "postgres": "PostgreSQL", "triton": "Triton and its stub", "ingest": "ingest", "worker": "driver"}
    own = any("services.cli" in word for word in words)
    for word, part in parts.items():
        if word in words if own else word in f"{Path(words[0]).name} {words[-2:]}":
            return part
    return "Ray's own processes" if any("ray" in word for word in words) else "others"


def _late(servers: Servers, topic: str, column: Column, *, since_s: float, to_s: float) -> Iterator[Figure]:
    """Yield how long after its capture a segment's rows were committed."""
    committed = column.ask(_READ)
    found = [
        (at_s - segment.captured_us / _US, at_s - segment.end_us / _US)
        for partition, records in in_topic(servers.bootstrap, topic).items()
        for offset, segment in enumerate(map(to_segment, records))
        for at_s in [_committed_at(committed, partition, offset)]
        if segment.kind is SegmentKind.GOP and since_s <= at_s <= to_s
    ]
    for what, values in zip(("first", "last"), zip(*found, strict=True), strict=True):
        cuts = statistics.quantiles(values, n=20)
        yield count(f"from a segment's {what} frame to its rows, p50", statistics.median(values), "s")
        yield count(f"from a segment's {what} frame to its rows, p95", cuts[-1], "s")
    yield count("segments looked at", len(found))


def _committed_at(committed: Sequence[tuple[float, ...]], partition: int, offset: int) -> float:
    return next((at_s for whose, position, at_s in committed if whose == partition and position > offset), 0.0)


def _costs(looks: Sequence[_Look]) -> Iterator[Figure]:
    first, last = looks[0], looks[-1]
    for part in sorted(last.cpu_s):
        cores = (last.cpu_s[part] - first.cpu_s.get(part, 0.0)) / (last.at_s - first.at_s)
        yield count(f"{_CAMERAS} live cameras: {part}, CPU", 100 * cores, "% of a core")
        sizes = tuple(look.bytes.get(part, 0) / _MIB for look in looks)
        yield Figure(what=f"{_CAMERAS} live cameras: {part}, memory", values=sizes, unit="MiB")
