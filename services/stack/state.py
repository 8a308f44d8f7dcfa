"""What the supervisor writes down for `status`, `down` and the next `up`: a file, and a lock that says whether it lives."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - pydantic reads the fields' types
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigurationError
from services.stack.logfile import LogFile
from services.stack.part import PartState
from services.stack.processes import Identity, boot, lives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMBEDDED = "embedded"
POSTGRES, INGEST = "postgres", "ingest"
SUPERVISOR = "supervisor"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_TRIES, _TRY_S = 10, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part at one instant."""

    name: str
    state: PartState
    doing: str  # what it is busy with; empty: nothing to tell
    own: bool  # the stack runs it; else it is somebody else's server, which is asked only
    process: Identity | None
    started_at: datetime | None
    restarts: int
    failures: int  # starts in a row that came to nothing
    refused: bool  # it ended because the user must change something
    memory_bytes: int
    cpu: float  # cores in use, over the last few seconds
    address: str
    error: str  # why it was not well the last time; empty: it always was

    @property
    def is_well(self) -> bool:
        """Whether it does what it should."""
        return self.state in {PartState.HEALTHY, PartState.FINISHED}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The whole stack at one instant."""

    boot: str  # which boot of the machine the processes belong to
    written_ticks: int  # when, in the clock of `Identity.started_ticks`
    at: datetime
    since: datetime
    supervisor: Identity
    sources: tuple[str, ...]  # redacted
    database: str  # `EMBEDDED`, or whatever was set, redacted
    kafka: str  # HOST:PORT of the brokers
    own_kafka: bool
    triton: str  # HOST:PORT of its gRPC
    own_triton: bool
    parts: tuple[PartStatus, ...]

    def after_crash(self) -> StackState:
        """Return what is left of it where its supervisor was killed: who lives still, and who does not."""
        here = self.boot == boot()
        left = {part.name for part in self.parts if here and part.process is not None and lives(part.process)}
        parts = (
            replace(part, state=PartState.ILL, error="its supervisor is gone")
            if part.name in left
            else replace(part, state=PartState.STOPPED, process=None, started_at=None, memory_bytes=0, cpu=0.0)
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    @property
    def is_well(self) -> bool:
        """Whether every part does what it should."""
        return all(part.is_well for part in self.parts)

    def document(self, *, up: bool) -> dict[str, Any]:
        """Return the JSON document of `headcount stack status` (docs/stack.schema.json)."""
        whole: dict[str, Any] = _STATE.dump_python(self, mode="json")
        for name in ("boot", "written_ticks"):
            del whole[name]
        pid = whole.pop("supervisor")["pid"]
        parts = [{**part, "pid": None if part["process"] is None else part["process"]["pid"]} for part in whole["parts"]]
        for part in parts:
            del part["process"]
        return {**whole, "up": up, "pid": pid if up else None, "parts": parts}


_STATE = TypeAdapter(StackState)


class StackFolder:
    """The folder `stack` below the data folder; only its user can enter it."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.absolute() / "stack"

    @property
    def sources(self) -> Path:
        """The addresses that ingest feeds, with their passwords."""
        return self.path / "sources"

    def log(self, part: str) -> LogFile:
        """Return the log of a part, or of the supervisor."""
        embedded = part == POSTGRES  # it writes where it lies, as another user
        return LogFile(path=self.path.parent / "postgres" / "server.log" if embedded else self.path / "logs" / f"{part}.log")

    def make(self) -> None:
        """Make the folder where it is missing.

        Raises:
            ConfigurationError: It cannot be made.
        """
        try:
            new = not self.path.parent.is_dir()
            self.path.mkdir(parents=True, exist_ok=True)
            if new:
                self.path.parent.chmod(0o755)  # whatever the umask: the database's user must pass through
            self.path.chmod(_FOLDER_MODE)
            (self.path / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot keep the stack's files in {self.path}: {error.strerror}; set HEADCOUNT_DATA_DIR elsewhere"
            ) from None

    def write(self, state: StackState) -> None:
        """Write the state; readers see the one before or this one, whole."""
        self.write_private(self._state, _STATE.dump_json(state))

    def write_private(self, path: Path, content: bytes) -> None:
        """Write a file that only its user can read."""
        unfinished = _unfinished(path)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        unfinished.replace(path)

    def read(self) -> StackState | None:
        """Return what the supervisor, living or dead, wrote last; None: nothing, or another version did."""
        try:
            return _STATE.validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None

    def living(self) -> StackState | None:
        """Return the state of the supervisor that lives; None: none does, or it has written nothing yet."""
        state = self.read() if self.is_up() else None
        return state if state is not None and lives(state.supervisor) else None

    def forget(self) -> None:
        """Delete the state, and the sources with their passwords: nothing of it is left."""
        for path in (self._state, self.sources):
            path.unlink(missing_ok=True)
            _unfinished(path).unlink(missing_ok=True)

    def is_up(self) -> bool:
        """Say whether a supervisor lives: the kernel gives its lock back when it dies, however it does."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the supervisor while the block runs.

        Raises:
            ConfigurationError: Another one is.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            if not _locked_soon(descriptor):
                raise ConfigurationError(f"the stack in {self.path.parent} is up already: see headcount stack status")
            yield
        finally:
            os.close(descriptor)

    @property
    def _state(self) -> Path:
        return self.path / "state.json"

    @property
    def _lock(self) -> Path:
        return self.path / "lock"


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _locked_soon(descriptor: int) -> bool:
    """Take the lock; someone who only looks has it for an instant."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TRY_S)
        else:
            return True
    return False
