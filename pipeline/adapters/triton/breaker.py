"""Keeps lanes from waiting, one after the other, for a server that does not answer."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.adapters.triton.failures import AwayError
from pipeline.metrics import BreakerState, show_breaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import Clock

_FAILURES = 2
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)


class CircuitBreaker:
    """Closed, all may ask; after some failures in a row it opens, and none may for a pause; then one tries for all.

    Where that one gets an answer it closes, else the next pause is longer. Safe to use from several threads.

    Args:
        clock: For the pauses.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row, while closed
        self._pauses = 0  # since it was closed last
        self._until: float | None = None  # None: closed
        self._trying = False
        self._last = ""
        show_breaker(BreakerState.CLOSED)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Run the block if it may ask.

        Raises:
            AwayError: It may not now; the words are those of the last failure. Or the block raised it.
        """
        tries = self._enter()
        try:
            yield
        except AwayError as error:
            self._fail(error, tries=tries)
            raise
        except BaseException:
            self._close()  # whatever it was, it was an answer
            raise
        self._close()

    def _enter(self) -> bool:
        """Return whether this one tries for all."""
        with self._lock:
            if self._until is None:
                return False
            if self._trying or self._clock.monotonic() < self._until:
                raise AwayError(self._last)
            self._trying = True
            show_breaker(BreakerState.HALF_OPEN)
            return True

    def _close(self) -> None:
        with self._lock:
            if self._until is not None or self._failures:
                self._failures = self._pauses = 0
                self._until = None
                self._trying = False
                show_breaker(BreakerState.CLOSED)

    def _fail(self, error: AwayError, *, tries: bool) -> None:
        with self._lock:
            self._last = str(error)
            self._failures += 1
            if not tries and (self._until is not None or self._failures < _FAILURES):
                return  # one of those that were still under way when it opened says nothing new
            self._until = self._clock.monotonic() + _PAUSES_S[min(self._pauses, len(_PAUSES_S) - 1)]
            self._pauses += 1
            self._trying = False
            show_breaker(BreakerState.OPEN)
