"""The run against a bare loop that makes the same calls, and two cores against one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.column import WAYS, analyse, open_site, watched_run
from tests.bench.material import busy
from tests.bench.measure import Cost, Figure, alternately, count, cpu, ratio, wall
from tests.e2e.command import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.bench.column import Analysed, Site
    from tests.bench.setup import Setup

_CAMERAS, _SECONDS = 4, 15  # together a minute of video that two cores can share
BARE = "bare loop"
SAME = ("frames_decoded", "frames_analysed", "visits", "crops_in_visits")


@dataclass(slots=True, kw_only=True)
class _Bench:
    site: Site
    clip: Path
    work: dict[str, Mapping[str, int]] = field(default_factory=dict)  # what each did, the last time
    runs: dict[str, list[Analysed]] = field(default_factory=dict)

    def bare(self) -> Cost:
        """Measure the bare loop alone; it has prepared before."""
        cost, self.work[BARE] = bare_loop(self.site, self.clip, _CAMERAS)
        return cost

    def run(self, name: str, flags: tuple[str, ...], cores: int) -> Callable[[], Cost]:
        """Return what measures the run."""

        def measure() -> Cost:
            analysed = analyse(self.site, [self.clip] * _CAMERAS, *flags, cores=cores)
            self.work[name] = analysed.work
            self.runs.setdefault(name, []).append(analysed)
            return analysed.analysis

        return measure


def bare_loop(site: Site, clip: Path, cameras: int) -> tuple[Cost, Mapping[str, int]]:
    """Return what the bare loop costs, and what it did."""
    program = Program(settings=site.settings, command=(sys.executable, "-m", "tests.bench.bare_loop"))
    found = json.loads(watched_run(site, program, [clip, str(cameras)], cores=1).stdout)
    return Cost(wall_s=found["wall_s"], cpu_s=found["cpu_s"]), {name: value for name, value in found.items() if isinstance(value, int)}


def plumbing(setup: Setup) -> list[Figure]:
    """A minute of 1080p (4 cameras of 15 s), from the first claim to the last commit, against a bare loop of the same calls."""
    with open_site() as site:
        bench = _Bench(site=site, clip=busy(setup.clips, _SECONDS))
        actions = {BARE: bench.bare}
        for way, flags in WAYS.items():
            actions |= {name: bench.run(name, flags, cores) for cores in (1, 2) for name in [_name(way, cores)]}
        costs = alternately(setup.repeats, actions)
    figures = [figure for name, found in costs.items() for figure in (wall(name, found), cpu(name, found))]
    for way in WAYS:
        one, two = (wall(way, costs[_name(way, cores)]) for cores in (1, 2))
        bare = costs[BARE]
        figures += [
            ratio(f"run {way} : bare loop, 1 core, wall", one, wall(BARE, bare), goal="at most 1.10"),
            ratio(f"run {way} : bare loop, 1 core, CPU", cpu(way, costs[_name(way, 1)]), cpu(BARE, bare), goal="at most 1.10"),
            ratio(f"run {way}, 1 core : 2 cores, wall", one, two, goal="at least 1.7"),
        ]
    return [*figures, *_beside(bench.runs), *equal_work(bench.work)]


def _beside(runs: Mapping[str, Sequence[Analysed]]) -> Iterator[Figure]:
    """Yield what explains the runs' analysis time."""
    for name, found in runs.items():
        yield wall(f"{name}, with its start and end", [run.whole for run in found])
        yield Figure(what=f"{name}: commits", values=tuple(float(run.commits) for run in found), unit="")
        yield Figure(what=f"{name}: all workers at work after", values=tuple(run.complete_s for run in found), unit="s")


def _name(way: str, cores: int) -> str:
    return f"run {way}, {cores} core{'s' * (cores > 1)}"


def equal_work(work: Mapping[str, Mapping[str, int]]) -> list[Figure]:
    """Return how much each did; it must be the same."""
    some = next(did for name, did in work.items() if name != BARE)
    wanted = work[BARE]
    for name, did in work.items():
        if any(did[what] != wanted[what] for what in SAME):
            raise AssertionError(f"{name} did other work than the {BARE}: {did}, not {wanted}")
    return [
        *(count(f"each run: {what}", some[what]) for what in SAME),
        *(count(f"{BARE}: {what}", number) for what, number in wanted.items()),
    ]
