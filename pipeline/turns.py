"""Who may work now: careful batches alone, all others side by side; imports nothing of ours."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK_S = 0.1  # how soon one who waits sees that the worker stops


class Turns:
    """Keeps the lanes of a process out of a careful one's way.

    Should the process die while one works alone, only what that one has opened can be the cause.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._alone = 0  # who works alone, or waits for it

    @contextmanager
    def taken(self, stop: threading.Event, beat: Callable[[], None], *, alone: bool) -> Iterator[bool]:
        """Wait for a turn and hold it during the block; yield False where the worker was stopped before it came.

        Args:
            stop: Ends the wait.
            beat: Told, again and again, that the wait goes on.
            alone: Nobody else works meanwhile; who wants that goes before those who do not.
        """
        with self._changed:
            self._alone += alone
            may = self._is_quiet if alone else self._is_open
            while not (came := may()) and not stop.is_set():
                self._changed.wait(_LOOK_S)
                beat()
            self._working += came
        try:
            yield came
        finally:
            with self._changed:
                self._working -= came
                self._alone -= alone
                self._changed.notify_all()

    def _is_quiet(self) -> bool:
        return self._working == 0

    def _is_open(self) -> bool:
        return self._alone == 0
