"""Runs `headcount` as its users do: as a process, with or without a terminal; imports nothing of ours."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
HEADCOUNT = (sys.executable, "-c", "import sys; sys.argv[0] = 'headcount'; from services.cli import main; main()")
_PATIENCE_S = 60
_LONGEST_TERMINAL_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The one line in which the command says why it failed."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("headcount: ")]
        assert len(lines) == 1, self
        return lines[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`headcount`, or a program of the tests, with its settings; nothing of this machine's own settings."""

    settings: Mapping[str, str]
    command: tuple[str, ...] = HEADCOUNT
    environment: Mapping[str, str] = field(default_factory=dict)

    def with_settings(self, **settings: object) -> Program:
        """Return the program with further settings, by the names of `pipeline.settings`."""
        return Program(
            settings={**self.settings, **{name: str(value) for name, value in settings.items()}},
            command=self.command,
            environment=self.environment,
        )

    def with_environment(self, **variables: str) -> Program:
        """Return the program with further variables of its environment."""
        return Program(settings=self.settings, command=self.command, environment={**self.environment, **variables})

    def running(self, *command: str) -> Program:
        """Return another program with the same settings."""
        return Program(settings=self.settings, command=command, environment=self.environment)

    def __call__(self, *arguments: str | Path) -> Ended:
        """Run to the end."""
        return finish(self.start(*arguments))

    def start(self, *arguments: str | Path, written: IO[str] | None = None) -> subprocess.Popen[str]:
        """Start and return at once; what it writes goes into a file, or else is kept for `finish`."""
        return subprocess.Popen(
            self._words(arguments),
            stdin=subprocess.DEVNULL,
            stdout=written or subprocess.PIPE,
            stderr=written or subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self._env(),
            start_new_session=True,  # a group of its own, as a terminal gives it
        )

    def on_terminal(self, *arguments: str | Path, columns: int = 100) -> tuple[int, str]:
        """Run to the end on a terminal; return the exit code and all that was written to it."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**self._env(), "TERM": "xterm-256color"}
        with subprocess.Popen(self._words(arguments), stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment) as process:
            os.close(theirs)
            written = _read_to_the_end(ours)
        os.close(ours)
        return process.returncode, written.decode()

    def _words(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [*self.command, *(str(argument) for argument in arguments)]

    def _env(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("HEADCOUNT_")}
        return own | dict(self.environment) | {f"HEADCOUNT_{name.upper()}": value for name, value in self.settings.items()}


def finish(process: subprocess.Popen[str], patience_s: float = _PATIENCE_S) -> Ended:
    """Wait for the end of a process and return what it said; kill it where it does not end."""
    try:
        stdout, stderr = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(code=process.returncode, stdout=stdout, stderr=stderr)


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Wait until a process has stopped itself."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"it ended instead of stopping: {status}"
    assert os.WSTOPSIG(status) == signal.SIGSTOP


def _read_to_the_end(terminal: int) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, _LONGEST_TERMINAL_BYTES)
        except OSError:  # Linux: the other side is closed
            return b"".join(parts)
        if not part:
            return b"".join(parts)
        parts.append(part)
