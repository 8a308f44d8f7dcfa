"""Debian's PostgreSQL 15: a cluster of the tests' own, on a Unix socket."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import quote

from pipeline.adapters.postgres import administration
from pipeline.adapters.postgres.account import Account
from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    import subprocess

    import pytest

    from tests.servers.process import Reaper

TEMPLATE = "migrated"  # the database that each test's own is a copy of
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
_PORT = 5432  # part of the socket's name
SERVERS = ("postgres18", "postgres15")  # the fixtures that give them, for tests that must hold on both


def server_named(request: pytest.FixtureRequest) -> DatabaseServer:
    """Return the server that a fixture with SERVERS as its parameters is to stand for."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server


class DatabaseServer(Protocol):
    """A PostgreSQL server of which tests use databases."""

    def url(self, database: str) -> str:
        """Return a database's URL."""

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""

    def drop_database(self, name: str) -> None:
        """Drop a database with its connections."""


class Postgres15:
    """A server that belongs to the tests alone; its data may be lost in a crash, because it does not sync.

    Args:
        folder: Does not exist yet; all can enter its parents.
        reaper: Ends the server when the tests are gone.

    Raises:
        ConfigurationError: It is not installed.
    """

    def __init__(self, folder: Path, reaper: Reaper) -> None:
        if not (PROGRAMS / "pg_ctl").is_file():
            raise ConfigurationError("PostgreSQL 15 is not installed (Debian 12: make servers)")
        self._folder = folder
        self._data = folder / "data"
        self._account = Account(lambda _: None)
        self._reaper = reaper

    def __enter__(self) -> Self:
        self._folder.mkdir()
        self._account.own(self._folder, 0o755)
        self._run("initdb", "--auth=trust", "--username=headcount", "--encoding=UTF8", "--no-locale", "--no-sync", "-D", self._data)
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "port": str(_PORT), "fsync": "off"}
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._folder / "server.log", "-o", options)
        self._reaper.watch(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        return self

    def __exit__(self, *_: object) -> None:
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", "immediate")

    def url(self, database: str) -> str:
        """Return a database's URL."""
        return f"postgresql://headcount@/{database}?host={quote(str(self._folder), safe='')}&port={_PORT}"

    def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        administration.create_database(self.url("postgres"), name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database with its connections."""
        administration.drop_database(self.url("postgres"), name)

    def _run(self, program: str, *arguments: str | os.PathLike[str]) -> subprocess.CompletedProcess[str]:
        ended = self._account.run([PROGRAMS / program, *(Path(part) if isinstance(part, Path) else str(part) for part in arguments)])
        assert ended.returncode == 0, ended.stderr or ended.stdout
        return ended
