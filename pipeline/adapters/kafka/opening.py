"""Opens something for all who want it, once; imports errors only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from pipeline.errors import HeadcountError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Opening(Generic[T]):
    """What is opened when it is first wanted. Safe to use from several threads.

    Where opening fails it fails for all who waited meanwhile: one after the other they would wait for as many time-outs.

    Args:
        make: Opens it; raises a HeadcountError where it fails.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._failure: HeadcountError | None = None
        self._failed_s = -1.0
        self.opened: T | None = None

    def get(self) -> T:
        """Return it, opened.

        Raises:
            HeadcountError: It could not be opened.
        """
        came_s = time.monotonic()
        with self._lock:
            if self.opened is not None:
                return self.opened
            if self._failure is not None and self._failed_s >= came_s:
                raise self._failure.with_traceback(None)
            try:
                self.opened = self._make()
            except HeadcountError as error:
                self._failure, self._failed_s = error, time.monotonic()
                raise
            return self.opened

    def drop(self) -> T | None:
        """Forget it, to be opened anew; return what was open, for whoever closes it."""
        with self._lock:
            dropped, self.opened = self.opened, None
            return dropped
