"""The production column, with a broker and Triton, against the bare loop; how late its rows are; what each process costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import av

from tests.bench.column import open_site, watched_run
from tests.bench.late import live
from tests.bench.material import busy
from tests.bench.measure import Cost, Figure, alternately, count, cpu, ratio, wall
from tests.bench.plumbing import BARE, SAME, bare_loop, equal_work
from tests.bench.servers import open_servers, pids_of
from tests.e2e.command import finish
from tests.e2e.manifest import in_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.bench.column import Column, Site
    from tests.bench.setup import Setup
    from tests.e2e.command import Program
    from tests.e2e.servers import Servers

_CAMERAS, _SECONDS = 4, 15  # together a minute of video that two cores can share
_PATIENCE_S = 600
_MIB = 2**20
_ROOM = 4 * 2**30  # bytes: all is fed before it is analysed
_WAYS = {"in one process": (), "under Ray": ("--address", "local")}
_ANALYSIS = "SELECT min(at_s), max(at_s) FILTER (WHERE moved) FROM bench_note"
_WORK = """
SELECT (SELECT sum(frames_decoded) FROM coverage), (SELECT sum(frames_analysed) FROM coverage),
       (SELECT count(*) FROM visit), (SELECT sum(observations) FROM visit)
"""


def production(setup: Setup) -> list[Figure]:
    """A minute of 1080p (4 cameras of 15 s) through Kafka and Triton against the bare loop; live cameras; bytes in the topic."""
    with open_site() as site, open_servers() as servers:
        bench = _Bench(site=site, servers=servers, clip=busy(setup.clips, _SECONDS))
        actions: dict[str, Callable[[], Cost]] = {BARE: bench.bare}
        actions |= {_name(way, cores): partial(bench.work_through, way, cores) for way in _WAYS for cores in (1, 2)}
        costs = alternately(setup.repeats, actions)
        beside = [*bench.bytes(), *live(site, servers, bench.clip, minutes=setup.minutes)]
    figures = [figure for name, found in costs.items() for figure in (wall(name, found), cpu(name, found))]
    for way in _WAYS:
        one, two = (wall(way, costs[_name(way, cores)]) for cores in (1, 2))
        figures += [
            ratio(f"{way} : bare loop, 1 core, wall", one, wall(BARE, costs[BARE])),
            ratio(f"{way} : bare loop, 1 core, CPU", cpu(way, costs[_name(way, 1)]), cpu(BARE, costs[BARE])),
            ratio(f"{way}, 1 core : 2 cores, wall", one, two),
        ]
    return [*figures, *equal_work(bench.work), *beside]


@dataclass(slots=True, kw_only=True)
class _Bench:
    site: Site
    servers: Servers
    clip: Path
    work: dict[str, Mapping[str, int]] = field(default_factory=dict)  # what each did, the last time
    topic: str = ""  # of the last time

    def bare(self) -> Cost:
        cost, self.work[BARE] = bare_loop(self.site, self.clip, _CAMERAS)
        return cost

    def work_through(self, way: str, cores: int) -> Cost:
        """Fill a topic, and measure the worker from its first claim to its last commit, servers included."""
        program, column = self._fed()
        words = ["worker", "--until-end", "--slot", "bench", *_WAYS[way]]
        program = program.with_settings(actors=cores, lanes=cores if not _WAYS[way] else 1)
        watched = watched_run(self.site, program, words, cores=cores, beside=pids_of(self.servers))
        ((first_s, last_s),) = column.ask(_ANALYSIS)
        ((*did,),) = column.ask(_WORK)
        self.work[_name(way, cores)] = dict(zip(SAME, map(int, did), strict=True))
        return Cost(wall_s=last_s - first_s, cpu_s=watched.cpu_between(first_s, last_s))

    def _fed(self) -> tuple[Program, Column]:
        program, column = self.site.column(uncommitted_max_bytes=_ROOM)
        program = self.servers.column(program, _CAMERAS)
        self.topic = program.settings["kafka_topic"]
        names = [word for number in range(_CAMERAS) for word in ("--name", f"camera-{number}")]
        ended = finish(program.start("ingest", *[self.clip] * _CAMERAS, *names), _PATIENCE_S)
        if ended.code:
            raise RuntimeError(ended.stderr)
        return program, column

    def bytes(self) -> Iterator[Figure]:
        """Yield what a topic holds against what the source's packets are."""
        with av.open(str(self.clip)) as container:
            source = _CAMERAS * sum(packet.size for packet in container.demux(video=0))
        records = sum(record.size for found in in_topic(self.servers.bootstrap, self.topic).values() for record in found)
        stored = sum(path.stat().st_size for path in self.servers.data_dir.glob(f"{self.topic}-*/*.log"))
        yield count("the source's packets", source / _MIB, "MiB")
        yield count("records, headers included : packets", records / source, "x", goal="at most 1.05")
        yield count("the topic's files on the broker : packets", stored / source, "x")


def _name(way: str, cores: int) -> str:
    return f"{way}, {cores} core{'s' * (cores > 1)}"
