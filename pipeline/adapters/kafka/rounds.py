"""Looks at something again and again in a thread of its own, and soon where somebody wants it; imports errors only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from pipeline.errors import HeadcountError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger()

_JOIN_S = 1.0
_AFTER_TROUBLE_S = 0.5


class Rounds:
    """Calls a function now and then. Safe to use from several threads.

    Args:
        name: Of the thread, for the message where a look takes too long.
        look: What is called; raises a HeadcountError where it fails.
        every_s: Seconds from one look to the next one when nobody wants any; None: none then.
        soon_s: At least so many seconds lie between the beginnings of two looks.
        on_look: Told after each look.
    """

    def __init__(
        self, name: str, look: Callable[[], None], *, every_s: Callable[[], float | None], soon_s: float, on_look: Callable[[], None]
    ) -> None:
        self._name = name
        self._look = look
        self._every_s = every_s
        self._soon_s = soon_s
        self._on_look = on_look
        self._changed = threading.Condition()
        self._began_s = time.monotonic()
        self._wanted_s = -1.0
        self._stopped = False
        self.looked_s = -1.0  # when the last look began that succeeded
        self.failed_s = -1.0  # and the last one that did not
        self.trouble: HeadcountError | None = None  # of the last look, if it failed; or it takes longer than somebody would wait
        self.death: HeadcountError | None = None  # of the thread: nobody looks any more
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def want(self, since_s: float) -> None:
        """Look soon, unless a look that began at `since_s` or later has succeeded."""
        with self._changed:
            if since_s > self._wanted_s:
                self._wanted_s = since_s
                self._changed.notify_all()

    def wait(self, since_s: float, timeout_s: float) -> None:
        """Wait for a look that began at `since_s` or later.

        Raises:
            HeadcountError: It failed.
            LogUnavailableError: It takes longer than `timeout_s`.
        """
        self.want(since_s)
        with self._changed:
            done = self._changed.wait_for(
                lambda: self.looked_s >= since_s or self.failed_s >= since_s or not self._thread.is_alive(), timeout_s
            )
            if self.looked_s >= since_s:
                return
            if done and self.trouble is not None:
                raise self.trouble
            self.trouble = LogUnavailableError(f"{self._name}: no answer from the brokers within {timeout_s:g} s; trying again may help")
            raise self.trouble

    def close(self) -> None:
        """Stop looking; a look that is under way may end later."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while self._due():
                self._once()
        except Exception as error:  # noqa: BLE001 - a bug; who waits must be told
            _log.exception("rounds_died", thread=self._name)
            self.death = HeadcountError(f"{self._name}: its thread died of {type(error).__name__}; start this process again")
            self._note(self.death)

    def _due(self) -> bool:
        """Wait until the next look is due; False: stopped."""
        with self._changed:
            while not self._stopped:
                left_s = self._left_s()
                if left_s is not None and left_s <= 0:
                    self._began_s = time.monotonic()
                    return True
                self._changed.wait(left_s)
            return False

    def _left_s(self) -> float | None:
        wanted = self._wanted_s > max(self.looked_s, self.failed_s)
        soon_s = self._soon_s if self.trouble is None else max(self._soon_s, _AFTER_TROUBLE_S)
        every_s = soon_s if wanted else self._every_s()
        return None if every_s is None else self._began_s + every_s - time.monotonic()

    def _once(self) -> None:
        try:
            self._look()
        except HeadcountError as error:
            self._note(error)
        else:
            self._note(None)
        self._on_look()

    def _note(self, trouble: HeadcountError | None) -> None:
        with self._changed:
            self.trouble = trouble
            if trouble is None:
                self.looked_s = self._began_s
            else:
                self.failed_s = self._began_s
            self._changed.notify_all()
