"""A part that is a local process in a session of its own, which the kernel ends when the supervisor dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.stack.part import Exit
from services.stack.processes import now_ticks, process, send, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.stack.logfile import LogFile
    from services.stack.processes import Identity

_LAUNCH = Path(__file__).with_name("launch.py")
_GONE_S = 10.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments, and all of its environment."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)  # may hold passwords


class Child:
    """Implements `services.stack.part.Runner`.

    The kernel sends the process SIGTERM when the *thread* that started it ends: `start` is for the main thread.

    Args:
        command: Asked at each start.
        log: What the process writes goes there.
    """

    def __init__(self, command: Callable[[], Command], log: LogFile) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None

    def start(self) -> None:
        """Start the process (see `Runner`)."""
        command = self._command()
        output = self._log.open()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the programs of the stack
                [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *command.words],
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(output)
        found = process(self._process.pid)  # it is there, if only as something to be reaped
        self._identity = found.identity if found is not None else None

    def identity(self) -> Identity | None:
        """Return the process (see `Runner`)."""
        return self._identity

    def poll(self) -> Exit | None:
        """Return how it ended (see `Runner`)."""
        if self._process is None:
            return Exit(code=0)
        if self._process.returncode is None:
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self._sweep()  # before it is reaped: until then its number, and so its session, is nobody else's
            self._process.wait()
        self._identity = None
        return Exit(code=self._process.returncode)

    def terminate(self) -> None:
        """Ask it to end (see `Runner`)."""
        if self._process is not None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # one that was stopped would not hear it

    def kill(self) -> None:
        """End it with all that it has started (see `Runner`)."""
        self._sweep()
        if self._process is not None:
            self._process.kill()
            self._process.wait(_GONE_S)
        self._identity = None

    def _sweep(self) -> None:
        if self._identity is not None:
            end_session(self._identity, now_ticks())


def end_session(leader: Identity, seen_ticks: int, *, in_good_order_s: float = 0.0) -> int:
    """End who is in a session, see `processes.session_of`; return how many there were.

    Args:
        leader: Began the session.
        seen_ticks: When the session was last known to be this one.
        in_good_order_s: So long they may take to end by themselves, after SIGTERM to the leader.
    """
    found = session_of(leader, seen_ticks)
    if in_good_order_s:
        send(signal.SIGTERM, [one for one in found if one.identity == leader])
        send(signal.SIGCONT, found)
        _wait(leader, seen_ticks, in_good_order_s)
    deadline = time.monotonic() + _GONE_S
    while (left := session_of(leader, seen_ticks)) and time.monotonic() < deadline:  # one may have begun another meanwhile
        send(signal.SIGKILL, left)
        time.sleep(_POLL_S)
    return len(found)


def _wait(leader: Identity, seen_ticks: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while session_of(leader, seen_ticks) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
