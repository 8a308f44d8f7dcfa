"""The folder of a Ray of our own: its sessions, its token, and a path that is short enough for its sockets; imports errors only."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import signal
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SESSION = re.compile(r"session_.*_(\d+)")  # ends with the process that began it
_LONGEST_SOCKET = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_PATH_LIMIT = 107  # bytes of sun_path, without its final zero
_TOKEN_BYTES = 32


class RayFolder:
    """`ray` below the data folder. Only its user can enter it.

    Raises:
        ConfigurationError: It cannot be made.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / "ray"
        self._sessions = self._folder / "s"  # Ray opens it to everybody: who may enter is decided above it
        self._stack = ExitStack()
        self.path = self._sessions

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
            self._sessions.mkdir(exist_ok=True)
            self._sweep(alone=self._use())
            self._write_token()
            if len(os.fsencode(self._sessions / _LONGEST_SOCKET)) > _PATH_LIMIT:
                self.path = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-"))) / "s"
                self.path.symlink_to(self._sessions)
        except OSError as error:
            self._stack.close()
            message = f"cannot keep Ray's files in {self._folder}: {error.strerror}; set HEADCOUNT_DATA_DIR elsewhere"
            raise ConfigurationError(message) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that every process of this Ray must have, from before it is imported."""
        return {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # every listener on the loopback
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def end_processes(self) -> None:
        """End what runs in sessions that this process has begun: Ray forgets what it had started for a node that does not come up."""
        folders = b"|".join(re.escape(os.fsencode(folder)) for folder in (self.path, self._sessions))
        ours = re.compile(rb"(%s)/session_[^/]*_%d/" % (folders, os.getpid()))
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is somebody else's
                if ours.search((process / "cmdline").read_bytes()):
                    os.kill(int(process.name), signal.SIGKILL)

    @property
    def _token(self) -> Path:
        return self._folder / "token"

    def _write_token(self) -> None:
        if not self._token.exists():
            unfinished = self._token.with_suffix(f".{os.getpid()}")
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_hex(_TOKEN_BYTES))
            unfinished.replace(self._token)

    def _use(self) -> bool:
        """Hold a lock until the end that all users of the folder share; say whether nobody else did."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        else:
            alone = True
        fcntl.flock(lock, fcntl.LOCK_SH)
        return alone

    def _sweep(self, *, alone: bool) -> None:
        """Delete the sessions of processes that are gone; what their workers wrote last is kept until then.

        In a container a process often has the number of the one before it: who is alone deletes them all.
        """
        for session in self._sessions.glob("session_*"):
            found = _SESSION.fullmatch(session.name)
            if found and (alone or not _lives(int(found[1]))):
                shutil.rmtree(session, ignore_errors=True)
        latest = self._sessions / "session_latest"
        if not latest.exists():
            latest.unlink(missing_ok=True)  # Ray does not replace one that leads nowhere


def _lives(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
