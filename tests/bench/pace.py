"""Cameras at their own pace: whether the analysis keeps up, with how many, and whether memory stays flat."""

from __future__ import annotations

import statistics
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pipeline.adapters.locallog import LocalLog
from pipeline.errors import LogUnavailableError
from pipeline.lag import lag_of
from services.clock import SystemClock
from tests.bench.column import WAYS, open_site, watched_run
from tests.bench.material import busy
from tests.bench.measure import Figure, count
from tests.bench.processes import memory, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.column import Column, Site
    from tests.bench.setup import Setup

_CAMERAS = 10
_EVERY_S = 5.0
_WARM_UP_S = 20.0  # the processes are being started, the first segments cut
_GROWS_S = 3.0  # seconds of lag a minute: the analysis is a twentieth too slow; less cannot be told from noise in a short run
_SWEEP, _SWEEP_MINUTES = range(2, 17), 1.5
_ROOM = 4 * 2**30  # bytes: that files wait for their analysis must not hide that it is behind
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    at_s: float
    lag_s: float  # how long the oldest record that is not analysed has been in the log; of the partition that is furthest behind
    memory_mib: float
    cpu_s: float


@dataclass(slots=True, kw_only=True)
class _Observer:
    """Looks at a running column from outside."""

    column: Column
    looks: list[_Look] = field(default_factory=list)

    def look(self) -> None:
        now = sample()
        if not self.looks or now.at_s - self.looks[-1].at_s >= _EVERY_S:
            lag_s = self._lag_s()
            if lag_s is not None:
                self.looks.append(_Look(at_s=now.at_s, lag_s=lag_s, memory_mib=memory().total() / _MIB, cpu_s=now.cpu_s))

    def _lag_s(self) -> float | None:
        """Return None where nothing is in the log yet."""
        with suppress(LogUnavailableError):
            clock = SystemClock()
            with closing(LocalLog(self.column.data_dir / "log", clock=clock)) as log:
                if not any(log.offsets(partition).stop for partition in range(log.partitions)):
                    return None
                positions = self.column.ask("SELECT partition, next_offset FROM log_partition")
                return max((lag_of(log, int(partition), int(offset), clock.now()).seconds for partition, offset in positions), default=0.0)
        return None


def pace(setup: Setup) -> list[Figure]:
    """Ten 1080p files of 25 frames/s as slowly as they were made (--pace)."""
    with open_site() as site:
        looks = {way: _watch(setup, site, flags, _CAMERAS, setup.minutes) for way, flags in WAYS.items()}
    return [figure for way, found in looks.items() for figure in _told(f"{_CAMERAS} cameras {way}", found)]


def capacity(setup: Setup) -> list[Figure]:
    """The number of such cameras up to which the lag does not grow."""
    figures = []
    with open_site() as site:
        for way, flags in WAYS.items():
            slope_of = partial(_slope_with, setup, site, flags)
            figures.append(count(f"cameras {way}", largest_without_lag(slope_of)))
    return figures


def _slope_with(setup: Setup, site: Site, flags: tuple[str, ...], cameras: int) -> float:
    return _slope(_watch(setup, site, flags, cameras, min(_SWEEP_MINUTES, setup.minutes)))


def _watch(setup: Setup, site: Site, flags: tuple[str, ...], cameras: int, minutes: float) -> list[_Look]:
    """Return what was seen while the files were fed, without the start; what is done afterwards is not looked at."""
    clip = busy(setup.clips, 60 * minutes)
    program, column = site.column(uncommitted_max_bytes=_ROOM)
    observer = _Observer(column=column)
    names = [word for number in range(cameras) for word in ("--name", f"camera-{number}")]
    watched_run(site, program, ["run", *[clip] * cameras, *names, *flags, "--pace"], look=observer.look)
    began_s = observer.looks[0].at_s
    return [look for look in observer.looks if began_s + min(_WARM_UP_S, 20 * minutes) <= look.at_s <= began_s + 60 * minutes - _EVERY_S]


def _slope(looks: Sequence[_Look]) -> float:
    """Return by how many seconds the lag grows a minute."""
    slope: float = statistics.linear_regression([look.at_s for look in looks], [look.lag_s for look in looks]).slope
    return 60 * slope


def _told(what: str, looks: Sequence[_Look]) -> list[Figure]:
    third = len(looks) // 3
    first, last = (statistics.median(look.memory_mib for look in part) for part in (looks[:third], looks[-third:]))
    cores = (looks[-1].cpu_s - looks[0].cpu_s) / (looks[-1].at_s - looks[0].at_s)
    slope = _slope(looks)
    return [
        Figure(what=f"{what}: lag", values=tuple(look.lag_s for look in looks), unit="s"),
        Figure(
            what=f"{what}: lag {'grows' if slope > _GROWS_S else 'does not grow'}", values=(slope,), unit="s a minute", goal="no growth"
        ),
        count(f"{what}: cores in use", cores),
        count(f"{what}: memory, first third", first, "MiB"),
        count(f"{what}: memory, last third", last, "MiB"),
        count(f"{what}: memory, last third : first", last / first, "x", goal="at most 1.05"),
    ]


def _verdict(slope: float) -> str:
    return "grows" if slope > _GROWS_S else "does not grow"


def largest_without_lag(slope_of: Callable[[int], float]) -> int:
    """Return the largest number of cameras with which the lag does not grow, by bisection (the least is taken for granted)."""
    fine, too_many = _SWEEP[0], _SWEEP[-1] + 1
    while too_many - fine > 1:
        cameras = (fine + too_many) // 2
        if slope_of(cameras) > _GROWS_S:
            too_many = cameras
        else:
            fine = cameras
    return fine
