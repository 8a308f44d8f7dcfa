"""Clocks for tests; imports the machine's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from services.clock import SystemClock


class SteppedClock:
    """A `Clock` that moves only when it is told to, or slept on."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.step(seconds)

    def step(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class RealClock(SystemClock):
    """A `Clock` that really waits, for tests against other processes."""


class FastClock(RealClock):
    """Real time, so many times as fast: for what takes a minute or so by the clock, while other processes and sockets keep theirs."""

    def __init__(self, times: float) -> None:
        self._times = times
        self._began_s = time.monotonic()
        self._began = datetime.now(UTC)

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.monotonic() - self._began_s)

    def monotonic(self) -> float:
        return self._began_s + (time.monotonic() - self._began_s) * self._times

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._times)
