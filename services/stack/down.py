"""`headcount stack down`: ends the supervisor in good order, or what one that was killed has left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.errors import HeadcountError, TransientError
from services.clock import SystemClock
from services.stack.display import Display
from services.stack.leftovers import end_leftovers
from services.stack.processes import lives
from services.stack.state import EMBEDDED, POSTGRES, StackFolder

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.settings import Settings
    from services.stack.part import Say
    from services.stack.processes import Identity

_PATIENCE_S = 90.0  # beyond what workers and ingest are given
_KILLED_S = 10.0
_POLL_S = 0.1


class StillUpError(HeadcountError):
    """The stack does not go down."""


def take_down(settings: Settings, console: Console, notice: Say) -> bool:
    """End the stack of a data folder; return whether there was anything to end.

    Raises:
        HeadcountError: Something does not end.
    """
    folder = StackFolder(settings.data_dir)
    was_up = folder.is_up()
    if was_up:
        _end_supervisor(folder, console, within_s=_PATIENCE_S + 2 * settings.stop_timeout_s)
    if folder.read() is None:
        return was_up
    with folder.held():  # a stack that is brought up meanwhile keeps what is its own
        left = folder.read()
        for name in end_leftovers(left):
            notice(f"{name}: ended what a supervisor had left")
        folder.forget()
        if left is not None and left.database == EMBEDDED:
            _stop_database(settings, notice)
    return True


def _end_supervisor(folder: StackFolder, console: Console, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    told: Identity | None = None
    with Display(console, SystemClock()) as display:
        while folder.is_up():
            state = folder.living()
            if state is not None:
                if told != state.supervisor:
                    told = state.supervisor
                    _send(told, signal.SIGTERM)
                display.show(state)
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
    if told is None and folder.is_up():
        raise StillUpError("another version of Headcount has started the stack: end it with that one")
    if told is None:
        return
    if not folder.is_up() and _has_ended(told):
        return
    _send(told, signal.SIGKILL)
    if not _has_ended(told):
        raise StillUpError("the supervisor does not end: see headcount stack logs supervisor")


def _has_ended(supervisor: Identity) -> bool:
    """Wait for its end, which comes soon after its lock is free; return whether it came."""
    deadline = time.monotonic() + _KILLED_S
    while lives(supervisor) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return not lives(supervisor)


def _send(to: Identity, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if lives(to):
            os.kill(to.pid, number)


def _stop_database(settings: Settings, notice: Say) -> None:
    """Join the embedded server, where it was left running, and let go of it: the last one stops it."""
    if not (settings.data_dir / POSTGRES / "postmaster.pid").exists():
        return
    with suppress(TransientError), EmbeddedPostgres(settings.data_dir, notice):
        pass
