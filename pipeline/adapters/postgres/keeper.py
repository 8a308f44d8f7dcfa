"""Starts the embedded server again when it is gone while it is used; imports metrics only."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pipeline.adapters.postgres.administration import last_line
from pipeline.metrics import DATABASE_RESTARTS

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger()

_LOOK_S = 0.25
_LONGEST_PAUSE_S = 30.0
_ZOMBIE = "Z"
_TOLD_AT = 20  # refusals; the first ones come while the dead server's processes are still going away


class Keeper:
    """Watches a server in a thread of its own, from `start` to `stop`.

    Args:
        runs: Says whether the server's process lives; does not raise.
        revive: Tries once to start it; False where another process is at it, raises where it does not come up.
        notice: Told, in one line, that it has died and runs again, or that it does not.
    """

    def __init__(self, runs: Callable[[], bool], revive: Callable[[], bool], notice: Callable[[str], None]) -> None:
        self._runs = runs
        self._revive = revive
        self._notice = notice
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self.keep, args=(self._finished.wait,), name="keep-postgres", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch; a start that is under way is waited for."""
        self._finished.set()
        self._thread.join()

    def keep(self, wait: Callable[[float], bool]) -> None:
        """Watch until `wait`, given seconds to pass, says that it is over."""
        while not wait(_LOOK_S):
            if not self._runs():
                self._bring_back(wait)

    def _bring_back(self, wait: Callable[[float], bool]) -> None:
        """Try until it runs, with growing pauses; say once that it does not, and once that it does."""
        refusals = 0
        while True:
            try:
                runs, refusal = self._revive(), None
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said and tried again: a silent end would leave no database
                runs, refusal = False, last_line(str(error))
                refusals += 1
            if runs:
                DATABASE_RESTARTS.inc()
                _log.warning("database_restarted", refusals=refusals)
                self._notice("the embedded database had died and runs again; what was committed is kept")
                return
            if refusal is not None and refusals == _TOLD_AT:
                _log.warning("database_down", error=refusal)
                self._notice(f"the embedded database has died and does not start again: {refusal}; it is tried again and again")
            if wait(min(_LOOK_S * 2 ** max(0, refusals - _TOLD_AT), _LONGEST_PAUSE_S)):
                return


def is_server(pid: int) -> bool:
    """Say whether a process is a PostgreSQL server that lives."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    if name == "postgres" and state == _ZOMBIE:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # the first process of a container inherits it: no new server starts before it is reaped
    return name == "postgres" and state != _ZOMBIE
