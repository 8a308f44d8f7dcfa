"""The embedded PostgreSQL: one cluster under the data folder, shared by all processes that use it; imports errors only.

Every user of the cluster holds a shared `flock` on `postgres.lock`. Who lets go last stops the server. Starting is
serialised by a second lock. When the server dies, one of its users starts it again. It listens on a Unix socket in a
folder that only its user (and root) can enter.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from pipeline.adapters.postgres import administration, programs
from pipeline.adapters.postgres.account import Account
from pipeline.adapters.postgres.administration import last_line
from pipeline.adapters.postgres.keeper import Keeper, is_server
from pipeline.adapters.postgres.socket_folder import socket_folder
from pipeline.errors import ConfigurationError, DatabaseUnavailableError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUPERUSER = "headcount"
KEPT_DATABASE = "headcount"
EPHEMERAL_PREFIX = "run_"  # databases of runs whose rows are not kept
_MAINTENANCE = "postgres"
_PORT = 5432  # part of the socket's name; given everywhere, because PGPORT may be set to another
_START_TIMEOUT_S = 60.0


class EmbeddedPostgres:
    """A PostgreSQL server that this process starts, or joins when another process has started it.

    Args:
        data_dir: Holds the cluster in its folder `postgres`.
        notice: Told, in one line, what was changed on the machine, and when the server has died; from any thread.
    """

    def __init__(self, data_dir: Path, notice: Callable[[str], None]) -> None:
        self._data_dir = data_dir.absolute()
        self._cluster = self._data_dir / "postgres"
        self._notice = notice
        self._use: int | None = None  # descriptor that holds the shared lock
        self._keeper: Keeper | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start or join the server; return the URL of the database whose rows are kept. Calling it again does nothing.

        Raises:
            ConfigurationError: The data folder, the cluster's version or the installation does not fit.
            DatabaseUnavailableError: The server does not come up.
        """
        if self._use is None:
            try:
                self._enter_data_dir()
                with _locked(self._start_lock):
                    self._programs = programs.usable(self._account, self._data_dir)
                    self._use = self._join()
            except OSError as error:
                raise ConfigurationError(f"cannot keep a database in {self._data_dir}: {error}; set HEADCOUNT_DATA_DIR elsewhere") from None
            self._keeper = Keeper(self._runs, self._revive, self._notice)
            self._keeper.start()
        return self.url(KEPT_DATABASE)

    def stop(self) -> None:
        """Let go of the server, and stop it when nobody else uses it."""
        if self._use is None:
            return
        if self._keeper is not None:
            self._keeper.stop()
        if _try_exclusive(self._use):
            self._control("stop", "-m", "fast")
        os.close(self._use)
        self._use = None

    def url(self, database: str) -> str:
        """Return the URL of a database of the running server.

        Raises:
            DatabaseUnavailableError: The server does not run.
        """
        folder = _running_socket_folder(self._cluster)
        if not folder:  # an empty host would lead to another PostgreSQL of this machine
            raise DatabaseUnavailableError("the embedded database does not run: start it again")
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(folder, safe='')}&port={_PORT}"

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URL; names that begin with `run_` are dropped after their process is gone."""
        administration.create_database(self.url(_MAINTENANCE), name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database with its connections, if it is there."""
        administration.drop_database(self.url(_MAINTENANCE), name)

    def databases(self) -> list[str]:
        """Return the names of all databases but PostgreSQL's own."""
        return administration.databases(self.url(_MAINTENANCE))

    def psql_path(self) -> Path:
        """Return the `psql` that comes with the server."""
        return programs.bundled() / "bin" / "psql"

    @property
    def _start_lock(self) -> Path:
        return self._data_dir / "postgres-start.lock"

    def _enter_data_dir(self) -> None:
        if not self._data_dir.is_dir():
            self._data_dir.mkdir(parents=True)
            self._data_dir.chmod(0o755)  # whatever the umask: the server's user must pass through
        self._account = Account(self._notice)
        self._account.require_entry(self._data_dir)

    def _join(self) -> int:
        """Take the shared lock, see that the server runs, and return the lock's descriptor."""
        use = os.open(self._data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            alone = _try_exclusive(use)
            if not alone:
                fcntl.flock(use, fcntl.LOCK_SH)  # waits for a process that is stopping the server
            self._ensure_cluster()
            self._ensure_running()
            self._ensure_kept_database(drop_left_over=alone)
            fcntl.flock(use, fcntl.LOCK_SH)
        except BaseException:
            os.close(use)
            raise
        return use

    def _ensure_cluster(self) -> None:
        if self._cluster.is_dir():
            return _require_version(self._cluster)
        fresh = self._cluster.with_name("postgres.new")  # renamed when complete: a killed initdb leaves no half cluster
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        self._account.own(fresh, 0o700)
        options = ["--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-locale", "--no-instructions"]
        made = self._account.run([self._programs / "initdb", *options, "-D", fresh])
        if made.returncode:
            raise ConfigurationError(f"cannot make a database in {self._data_dir}: {last_line(made.stderr)}")
        fresh.rename(self._cluster)
        return None

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            refusal = self._launch()
            if refusal is None:
                return
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(f"the embedded database does not start ({refusal}); see {self._cluster / 'server.log'}")
            time.sleep(0.2)  # a crashed server's processes are still going away, or its recovery is under way

    def _runs(self) -> bool:
        try:
            return is_server(int(_pid_file(self._cluster)[0]))
        except (OSError, ValueError, IndexError):  # another process is starting it, or it is gone
            return False

    def _revive(self) -> bool:
        """Try once to start a server that has died, unless another process has done it; False: one is at it.

        Raises:
            DatabaseUnavailableError: It does not run yet.
        """
        with _locked(self._start_lock, wait=False) as ours:
            if not ours:
                return False
            refusal = None if self._answers() else self._launch()
        if refusal is not None:
            raise DatabaseUnavailableError(f"{refusal}; see {self._cluster / 'server.log'}")
        return True

    def _answers(self) -> bool:
        try:
            self.databases()
        except DatabaseUnavailableError:
            return False
        return True

    def _launch(self) -> str | None:
        folder = socket_folder(self._data_dir, self._account)
        settings = {"port": str(_PORT), "listen_addresses": "", "unix_socket_directories": f'"{folder}"', "unix_socket_permissions": "0700"}
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        started = self._control("start", "-w", "-l", str(self._cluster / "server.log"), "-o", options)
        return last_line(started.stderr or started.stdout) if started.returncode else None

    def _control(self, action: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self._account.run([self._programs / "pg_ctl", action, "-D", self._cluster, *options])

    def _ensure_kept_database(self, *, drop_left_over: bool) -> None:
        present = self.databases()
        if KEPT_DATABASE not in present:
            self.create_database(KEPT_DATABASE)
        for name in present if drop_left_over else ():
            if name.startswith(EPHEMERAL_PREFIX):
                self.drop_database(name)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock, and yield whether it is ours; without `wait` it may be another's."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if wait:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield wait or _try_exclusive(descriptor)
    finally:
        os.close(descriptor)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_version(cluster: Path) -> None:
    version = (cluster / "PG_VERSION").read_text().strip() if (cluster / "PG_VERSION").exists() else "no known version"
    if version != str(programs.MAJOR):
        raise ConfigurationError(
            f"{cluster} is a database of PostgreSQL {version}, and this Headcount brings {programs.MAJOR}: "
            f"move that folder away to begin anew, or serve it with its own PostgreSQL and set HEADCOUNT_DATABASE_URL"
        )


def _running_socket_folder(cluster: Path) -> str:
    try:
        lines = _pid_file(cluster)
    except FileNotFoundError:
        return ""
    return lines[4] if len(lines) > 4 else ""  # noqa: PLR2004 - the fifth line, by PostgreSQL's miscadmin.h


def _pid_file(cluster: Path) -> list[str]:
    return (cluster / "postmaster.pid").read_text().splitlines()
