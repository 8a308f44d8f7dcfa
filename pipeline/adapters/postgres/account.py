"""The system user that runs the embedded server, because PostgreSQL refuses to run as root; imports errors only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SERVER_USER = "headcount"
FALLBACK_USER = "nobody"


class Account:
    """Runs programs as the server's user: an unprivileged one where this process is root, else ourselves.

    Args:
        notice: Told, in one line, when something was changed on the machine or is not as it should be.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._entry = _unprivileged(notice) if os.geteuid() == 0 else None

    @property
    def name(self) -> str:
        """Name of the user, for people."""
        return self._entry.pw_name if self._entry else "this user"

    def own(self, path: Path, mode: int) -> None:
        """Give `path` to the user with these permissions."""
        path.chmod(mode)
        if self._entry:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)

    def run(self, command: Sequence[str | Path], *, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a program as the user and return what it said, whatever its exit status."""
        return subprocess.run(  # noqa: S603 - the programs are those of the PostgreSQL wheel
            [str(part) for part in command],
            user=self._entry.pw_uid if self._entry else None,
            group=self._entry.pw_gid if self._entry else None,
            extra_groups=[] if self._entry else None,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},  # PGPORT would move the server
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
        )

    def can_run(self, program: Path) -> bool:
        """Say whether the user reaches a program and may start it."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except PermissionError:
            return False

    def require_entry(self, folder: Path) -> None:
        """Check that the user can reach `folder`.

        Raises:
            ConfigurationError: Names the first folder on the way that shuts the user out.
        """
        if self._may_enter(folder):
            return
        closed = next(step for step in (*reversed(folder.parents), folder) if not self._may_enter(step))
        raise ConfigurationError(
            f"the database's user {self.name!r} cannot enter {closed}: run `chmod o+x {closed}` or set HEADCOUNT_DATA_DIR elsewhere"
        )

    def _may_enter(self, folder: Path) -> bool:
        return self.run(["/usr/bin/env", "test", "-x", folder]).returncode == 0


def _unprivileged(notice: Callable[[str], None]) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        return _created(notice)


def _created(notice: Callable[[str], None]) -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if useradd:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - fixed arguments
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        notice(f"cannot make the system user {SERVER_USER!r}: the embedded database runs as {FALLBACK_USER!r}")
        return pwd.getpwnam(FALLBACK_USER)
    notice(f"made the system user {SERVER_USER!r}: PostgreSQL does not run as root")
    return entry
