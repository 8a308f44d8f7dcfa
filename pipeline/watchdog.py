"""Ends a process whose work has stopped moving, so that another can take its place; imports nothing of ours."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ARM_EVERY_S = 1.0


def end_process() -> None:
    """Write where every thread is to stderr, and end the process: nothing that hangs can be waited for."""
    faulthandler.dump_traceback(file=sys.__stderr__ or 2)
    os._exit(1)


class Watchdog:
    """Watches the threads that are at work. They beat; whoever runs the loop calls `check`, often.

    A thread that does not beat for `limit_s` ends the process. So does a loop that is not run for as long, because someone
    holds the interpreter's lock and never gives it back: a timer of faulthandler, which needs no lock, sees to that.

    Args:
        limit_s: Longest time without progress.
        end: Ends the process.
        monotonic: Seconds that only grow.
    """

    def __init__(self, limit_s: float, end: Callable[[], None] = end_process, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._end = end
        self._monotonic = monotonic
        self._beats: dict[int, float] = {}  # by thread
        self._armed = -_ARM_EVERY_S

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calling thread while the block runs."""
        thread = threading.get_ident()
        self._beats[thread] = self._monotonic()
        try:
            yield
        finally:
            del self._beats[thread]

    def beat(self) -> None:
        """Say that the calling thread gets on."""
        thread = threading.get_ident()
        if thread in self._beats:
            self._beats[thread] = self._monotonic()

    def check(self) -> None:
        """End the process where a thread has not beaten for too long, else set the timer anew."""
        now = self._monotonic()
        if any(now - beat > self._limit_s for beat in list(self._beats.values())):
            self._end()
        if now - self._armed >= _ARM_EVERY_S:
            self._armed = now
            faulthandler.dump_traceback_later(self._limit_s, exit=True, file=sys.__stderr__ or 2)

    def close(self) -> None:
        """Let the process live on without the loop."""
        faulthandler.cancel_dump_traceback_later()
