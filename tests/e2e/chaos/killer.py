"""Does to a column what the schedule says, at a moment when it has something to lose; imports the rest of this folder."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import psutil
import pytest

from tests.e2e.chaos.processes import ACTOR, GCS, RAYLET, is_alive
from tests.e2e.chaos.schedule import Kind

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.chaos.ground import Ground
    from tests.e2e.chaos.meters import Meters
    from tests.e2e.chaos.schedule import Schedule
    from tests.e2e.chaos.service import Service

POINTS = ("after_claim", "after_fence", "before_commit", "after_commit")
_SECOND_WORKER = (sys.executable, "-m", "tests.e2e.crash_worker")
_POLL_S = 0.1
_PATIENCE_S = 180.0
_JITTER_S = 1.0


class _OverError(Exception):
    """Everything is analysed, and the driver has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Killer:
    """One who kills, and waits until the column works again before the next time."""

    ground: Ground
    service: Service
    schedule: Schedule
    meters: Meters
    more: Mapping[Kind, Callable[[], bool]] = field(default_factory=dict)  # what can be done to the column's servers

    def run(self) -> None:
        """Strike and wait by turns until the schedule or the work is over; then let the work end."""
        with suppress(_OverError):
            while (kind := self.schedule.next()) is not None:
                self._wait_for_commits()
                time.sleep(self.schedule.random.uniform(0, _JITTER_S))
                self.service.note(f"{kind}; committed: {self._positions()}")
                done = self._strike(kind)
                self.service.note("done" if done else "there is none now")
                if done:
                    self.schedule.tick_off()
            self._wait_for_the_end()

    def _wait_for_commits(self, records: int = 1) -> None:
        """Wait until each partition that has something to do has committed so many records."""
        before = self._positions()

        def moved() -> bool:
            now = self._positions()
            unfinished = self.ground.unfinished(now)  # none: the driver is about to end
            return bool(unfinished) and all(now[partition] >= before[partition] + records for partition in unfinished)

        self._wait(moved, "not every partition goes on")

    def _wait_for_the_end(self) -> NoReturn:
        """Wait until the driver ends, while the work goes on."""
        while True:
            self._wait_for_commits()

    def _positions(self) -> Mapping[int, int]:
        found: Mapping[int, int] = {}

        def known() -> bool:
            nonlocal found
            found = self.ground.positions() or {}
            return bool(found)

        self._wait(known, "the database does not come back")
        return found

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            if self.service.tend():
                raise _OverError
            if condition():
                return
            if time.monotonic() > deadline:
                pytest.fail(f"{complaint} for {_PATIENCE_S:g} s; done so far: {dict(self.schedule.done)}\n{self.service.last_words()}")
            time.sleep(_POLL_S)

    def _strike(self, kind: Kind) -> bool:
        """Do it; False: there is nobody to do it to, who is being replaced after the last time."""
        ways: Mapping[Kind, Callable[[], bool]] = {
            Kind.ACTOR: lambda: self._kill(ACTOR),
            Kind.RAYLET: lambda: self._kill(RAYLET),
            Kind.GCS: lambda: self._kill(GCS),
            Kind.DRIVER: self._kill_driver,
            Kind.BACKEND: self._kill_backend,
            Kind.POSTMASTER: self._kill_postmaster,
            Kind.ZOMBIE: self._raise_zombie,
            Kind.HANG: self._hang,
            Kind.POINT: self._kill_second_worker,
            Kind.SECOND_ZOMBIE: self._raise_second_zombie,
            **self.more,
        }
        return ways[kind]()

    def _kill(self, name: str) -> bool:
        processes = self.service.herd.named(name)
        if not processes:
            return False
        self._signal(self.schedule.random.choice(processes), signal.SIGKILL)
        return True

    def _kill_driver(self) -> bool:
        self.service.kill_driver()
        return True

    def _kill_backend(self) -> bool:
        rows = self.ground.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'headcount' ORDER BY pid") or []
        return bool(rows) and self._kill_postgres(self.schedule.random.choice(rows)[0])

    def _kill_postmaster(self) -> bool:
        pid = self.ground.postmaster()
        return pid is not None and self._kill_postgres(pid)

    @staticmethod
    def _kill_postgres(pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.name() == "postgres":
                process.kill()
                return True
        return False

    def _working_actor(self) -> psutil.Process | None:
        """Return an actor that holds something to do."""
        rows = self.ground.ask("SELECT w.pid, p.partition FROM worker w JOIN log_partition p ON p.holder = w.worker_id") or []
        positions = self.ground.positions() or self.ground.ends
        busy = {pid for pid, partition in rows if partition in self.ground.unfinished(positions)}
        actors = [actor for actor in self.service.herd.named(ACTOR) if actor.pid in busy]
        return self.schedule.random.choice(actors) if actors else None

    def _raise_zombie(self) -> bool:
        """Stop an actor until another has its partitions; let it go on: its commits are refused, unless it is replaced before."""
        actor = self._working_actor()
        if actor is None:
            return False
        refused = self._refused()
        self._signal(actor, signal.SIGSTOP)
        try:
            self._wait_for_heirs(actor.pid)
        finally:
            self._signal(actor, signal.SIGCONT)
        self._wait(lambda: self._refused() > refused or not is_alive(actor), "an actor that was stopped is not refused")
        return True

    def _wait_for_heirs(self, pid: int) -> None:
        held = f"SELECT count(*) FROM log_partition p JOIN worker w ON w.worker_id = p.holder WHERE w.pid = {pid}"
        self._wait(lambda: self.ground.ask(held) == [(0,)], "nobody takes over from a stopped worker")

    def _refused(self) -> int:
        return self.meters.sums().get("headcount_fenced_total", 0)

    def _hang(self) -> bool:
        """Stop an actor until the supervisor has ended it and another one works."""
        actor = self._working_actor()
        if actor is None:
            return False
        self._signal(actor, signal.SIGSTOP)
        self._wait(lambda: not is_alive(actor), "a stopped actor is not replaced")
        return True

    def _kill_second_worker(self) -> bool:
        """Have a worker join in a slot of its own, and die at a named point."""
        point, number = self.schedule.random.choice(POINTS), self.schedule.random.randint(1, 3)
        self.service.note(f"{point}, the {number}. time")
        with self._second_worker("--at", point, "--time", str(number)) as second:
            self._wait(lambda: second.poll() is not None, f"the second worker has not come to {point}")
        assert second.returncode == -signal.SIGKILL, second
        return True

    def _raise_second_zombie(self) -> bool:
        """Have a worker join that stops before a COMMIT until another has its partitions; then its commits are refused."""
        refused = self._refused()
        with self._second_zombie() as process:
            self._wait_for_heirs(process.pid)
            process.send_signal(signal.SIGCONT)
            self._wait(lambda: self._refused() > refused, "a worker that was stopped is not refused")
        return True

    def run_without_a_fence(self) -> None:
        """Have such a worker join whose commits are not fenced, and which sleeps until others are a camera's end ahead: the control."""
        with suppress(_OverError), self._second_zombie("--fence", "off") as process:
            self._wait_for_commits(self.ground.records_a_camera)
            process.send_signal(signal.SIGCONT)
            self._wait_for_the_end()
        with suppress(_OverError):
            self._wait_for_the_end()

    @contextmanager
    def _second_zombie(self, *arguments: str) -> Iterator[psutil.Process]:
        with self._second_worker("--at", "before_commit", "--time", "3", "--signal", "SIGSTOP", *arguments) as second:
            process = psutil.Process(second.pid)
            self._wait(lambda: process.status() == psutil.STATUS_STOPPED, "the second worker has not stopped")
            yield process

    @contextmanager
    def _second_worker(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        second = self.ground.program.running(*_SECOND_WORKER).start("second", "--stay", *arguments)
        try:
            yield second
        finally:
            second.kill()
            second.communicate()

    @staticmethod
    def _signal(process: psutil.Process, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
