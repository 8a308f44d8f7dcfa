"""What a process and all that it starts cost, by /proc; imports the tests' command only."""

from __future__ import annotations

import ctypes
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil

from tests.e2e.command import Ended

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A look at the processes that this one has started."""

    at_s: float  # seconds since the epoch
    cpu_s: float  # of all of them, dead or alive, since ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Ended):
    """How a process ended, and what was seen meanwhile."""

    wall_s: float
    samples: Sequence[Sample]

    def cpu_between(self, from_s: float, to_s: float) -> float:
        return self._cpu_at(to_s) - self._cpu_at(from_s)

    def _cpu_at(self, at_s: float) -> float:
        before = max((sample for sample in self.samples if sample.at_s <= at_s), key=lambda sample: sample.at_s, default=self.samples[0])
        after = min((sample for sample in self.samples if sample.at_s > at_s), key=lambda sample: sample.at_s, default=before)
        share = (at_s - before.at_s) / (after.at_s - before.at_s) if after is not before else 0.0
        return before.cpu_s + share * (after.cpu_s - before.cpu_s)


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, such as the database's server: whoever waits for it learns its cost."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@contextmanager
def on_cores(number: int, *pids: int) -> Iterator[None]:
    """Keep what the block starts, and the processes with these ids, on the first cores that there are."""
    every = os.sched_getaffinity(0)
    chosen = sorted(every)[:number]
    _pin(chosen, (0, *pids))
    try:
        yield
    finally:
        _pin(every, (0, *pids))


def _pin(cores: set[int] | Sequence[int], pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, FileNotFoundError):
            for thread in [Path("0")] if pid == 0 else Path(f"/proc/{pid}/task").iterdir():  # those to come inherit it
                os.sched_setaffinity(int(thread.name), cores)


def sample() -> Sample:
    own = os.times()
    total = own.children_user + own.children_system
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return Sample(at_s=time.time(), cpu_s=total)


def watch(process: subprocess.Popen[str], *, every_s: float, look: Callable[[], None] = lambda: None) -> Watched:
    """Wait for the end of a process; take a sample, and call `look`, every so many seconds."""
    began_s, samples = time.monotonic(), [sample()]
    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(process.communicate)
        try:
            while wait([talk], timeout=every_s).not_done:
                samples.append(sample())
                look()
                _bury(process.pid)
        except BaseException:
            process.terminate()
            raise
    stdout, stderr = talk.result()
    wall_s = time.monotonic() - began_s
    return Watched(code=process.returncode, stdout=stdout, stderr=stderr, wall_s=wall_s, samples=(*samples, sample()))


def _bury(spared: int) -> None:
    """Wait for the dead that we have adopted."""
    for child in psutil.Process().children():
        if child.pid != spared:
            with suppress(ChildProcessError, psutil.NoSuchProcess):
                if child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def memory() -> Counter[str]:
    """Return bytes by the name of the processes that we have started: their proportional set sizes, shared pages divided."""
    found: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found[_title(process)] += process.memory_full_info().pss
    return found


def _title(process: psutil.Process) -> str:
    """Return a name under which processes of one kind stand together."""
    words = process.cmdline() or [process.name()]
    if "postgres" in words[0]:
        return "postgres"
    if words[0].startswith("ray::"):
        return words[0].split(".")[0]
    if any("services.cli" in word for word in words):
        return "headcount"
    return next((Path(word).stem for word in words if word.endswith(".py")), process.name())
