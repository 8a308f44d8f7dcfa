"""Keeps a column's driver running, as a service manager does; imports how the tests run programs."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tests.e2e.chaos.processes import Herd

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.e2e.command import Program

SLOT = "chaos"
_LAST_LINES = 80
_BEGINNING_S = 60.0  # Ray takes 8 s to start where nothing else runs
_ENDED_BY_RAY = "Failed to connect to GCS within"


class Service:
    """`headcount worker --address local` until everything is analysed, started again whenever it dies.

    Args:
        program: With its settings.
        written: All that its processes write goes to the end of this file.
    """

    def __init__(self, program: Program, written: Path) -> None:
        self.herd = Herd()
        self.starts = 0
        self._program = program
        self._written = written
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(self._written.open("a"))
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.kill()
        self._driver.wait()
        self.herd.end()
        self._stack.close()

    def tend(self) -> bool:
        """Start the driver again where it was killed, or could not begin; say whether it has ended in good order."""
        self.herd.look()
        code = self._driver.poll()
        if code == -signal.SIGKILL or (code == 1 and self._could_not_begin()):
            self._start()
            code = None
        assert code in {None, 0}, f"the driver ended by itself, with {code}:\n{self.last_words()}"
        return code == 0

    def kill_driver(self) -> None:
        """Kill the driver alone; what it has started goes on."""
        self.herd.look()
        self._driver.kill()
        self._driver.wait()

    def note(self, words: str) -> None:
        """Write a line of the test's own among what the processes write."""
        print(f"chaos {time.strftime('%X')}: {words}", file=self._file, flush=True)

    def last_words(self) -> str:
        """Return the end of what was written."""
        return "\n".join(self._written.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def _could_not_begin(self) -> bool:
        """Say whether a server was away while the driver began: a command ends then, with a line; Ray ends it where its GCS dies."""
        said = self.last_words().rpartition("is started")[2]
        beginning = time.monotonic() < self._started_s + _BEGINNING_S
        return _ENDED_BY_RAY in said or (beginning and "\nheadcount: " in said and "Traceback" not in said)

    def _start(self) -> None:
        words = ("worker", "--address", "local", "--slot", SLOT, "--until-end")
        self._driver: subprocess.Popen[str] = self._program.start(*words, written=self._file)
        self._started_s = time.monotonic()
        self.herd.add(self._driver.pid)
        self.note(f"driver {self._driver.pid} is started")
        self.starts += 1
