"""Something that is done in a thread of its own; imports nothing of ours."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadTask:
    """Implements `services.stack.post.Task`. The end of the process does not wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: Exception | None = None
        self._over = threading.Event()
        threading.Thread(target=self._run, name="stack-task", daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._over.is_set()

    @property
    def error(self) -> Exception | None:
        """Why it failed."""
        return self._error

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who asks
            self._error = error
        finally:
            self._over.set()
