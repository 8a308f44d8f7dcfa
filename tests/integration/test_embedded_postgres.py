"""The embedded server's life: started once, shared, stopped by the last, restarted after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest

from pipeline.adapters.postgres import programs
from pipeline.adapters.postgres.account import Account
from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.errors import ConfigurationError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 60
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")


def embedded(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, notice=lambda _: None)


@pytest.fixture(scope="module")
def own_dir() -> Iterator[Path]:
    """A data folder of this module, because its server is stopped and killed."""
    with tempfile.TemporaryDirectory(prefix="headcount-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


def answer(url: str, statement: str) -> object:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def test_it_listens_nowhere_but_in_a_closed_folder(own_dir: Path) -> None:
    with embedded(own_dir) as server:
        url = server.url("headcount")
        assert answer(url, "SHOW listen_addresses") == ""
        folder = Path(str(answer(url, "SHOW unix_socket_directories")).strip('"'))
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.is_relative_to(own_dir)
        assert server.databases() == ["headcount"]


def test_the_last_one_out_stops_it(own_dir: Path) -> None:
    first, second = embedded(own_dir), embedded(own_dir)
    url = first.start()
    assert second.start() == url
    first.stop()
    assert answer(url, "SELECT 1") == 1
    second.stop()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)
    with pytest.raises(DatabaseUnavailableError, match="start it again"):
        first.url("headcount")


def test_another_process_keeps_it_running(own_dir: Path) -> None:
    holder = (
        "import sys; from pathlib import Path; from pipeline.adapters.postgres.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1]), notice=print): print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder, str(own_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        server = embedded(own_dir)
        url = server.start()
        server.create_database("run_mine")
        server.stop()
        assert answer(url, "SELECT 1") == 1
        other.kill()
        other.wait()
    with embedded(own_dir) as server:
        assert server.databases() == ["headcount"], "what a dead run left behind is dropped"


def test_it_restarts_after_a_kill_with_its_rows(own_dir: Path) -> None:
    first, second = embedded(own_dir), embedded(own_dir)
    connection = psycopg2.connect(first.start())
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS n")
    connection.close()
    os.kill(postmaster(own_dir), signal.SIGKILL)
    assert answer(second.start(), "SELECT n FROM kept") == 42
    first.stop()
    second.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def has_come_back(data_dir: Path, url: str, killed: int) -> bool:
    try:
        return answer(url, "SELECT 1") == 1 and postmaster(data_dir) != killed
    except psycopg2.Error:
        return False


def test_a_server_that_is_killed_while_it_is_used_comes_back_by_itself(own_dir: Path) -> None:
    """Twice, with two that watch it: one of them starts it."""
    told: list[str] = []
    with EmbeddedPostgres(own_dir, notice=told.append) as server, EmbeddedPostgres(own_dir, notice=told.append):
        url = server.url("headcount")
        for _ in range(2):
            killed = postmaster(own_dir)
            os.kill(killed, signal.SIGKILL)
            wait_for(partial(has_come_back, own_dir, url, killed))
        wait_for(lambda: len(told) >= 2)
    assert set(told) == {"the embedded database had died and runs again; what was committed is kept"}
    assert not (own_dir / "postgres" / "postmaster.pid").exists(), "a server was left behind"


def test_a_server_that_dies_with_its_last_user_stays_down(own_dir: Path) -> None:
    told: list[str] = []
    before = set(threading.enumerate())
    server = EmbeddedPostgres(own_dir, notice=told.append)
    server.start()
    os.kill(postmaster(own_dir), signal.SIGKILL)
    server.stop()
    assert set(threading.enumerate()) <= before
    with pytest.raises((DatabaseUnavailableError, psycopg2.OperationalError)):
        psycopg2.connect(server.url("headcount"))


def test_a_server_that_cannot_come_back_is_told_once_and_then_does(own_dir: Path) -> None:
    told: list[str] = []
    with EmbeddedPostgres(own_dir, notice=told.append) as server:
        url = server.url("headcount")
        version = own_dir / "postgres" / "PG_VERSION"
        version.rename(version.with_suffix(".away"))
        os.kill(postmaster(own_dir), signal.SIGKILL)
        wait_for(lambda: len(told) == 1)
        version.with_suffix(".away").rename(version)
        wait_for(lambda: len(told) == 2)
        assert answer(url, "SELECT 1") == 1
    assert told[0].startswith("the embedded database has died and does not start again: ")
    assert told[0].endswith("; it is tried again and again")
    assert "runs again" in told[1]


def test_databases_come_and_go(own_dir: Path) -> None:
    with embedded(own_dir) as server:
        url = server.create_database("run_1")
        connection = psycopg2.connect(url)
        server.drop_database("run_1")
        connection.close()
        assert server.databases() == ["headcount"]
        with pytest.raises(ValueError, match="lower-case"):
            server.create_database('x"; DROP')


def test_a_long_path_gets_a_short_socket(own_dir: Path) -> None:
    long = own_dir.parent / ("x" * 100) / "data"
    with embedded(long) as server:
        folder = Path(str(answer(server.url("headcount"), "SHOW unix_socket_directories")).strip('"'))
        assert not folder.is_relative_to(long)
        assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def test_psql_is_at_hand(own_dir: Path) -> None:
    with embedded(own_dir) as server:
        said = subprocess.run(
            [server.psql_path(), "-XAtc", "SELECT 6 * 7", server.url("headcount")], capture_output=True, text=True, check=True
        )
    assert said.stdout == "42\n"


def test_a_cluster_of_another_version_is_refused(own_dir: Path) -> None:
    other = own_dir.parent / "old"
    (other / "postgres").mkdir(parents=True)
    (other / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 16, and this Headcount brings 18: move that folder away"):
        embedded(other).start()


@AS_ROOT
def test_a_folder_that_the_servers_user_cannot_enter_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match=r"cannot enter .*: run `chmod o\+x "):
        embedded(closed / "data").start()


class Shut(Account):
    """Cannot run what lies outside of the data folder, like a user below whose feet /root is closed."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(notice=lambda _: None)
        self._data_dir = data_dir

    def can_run(self, program: Path) -> bool:
        return program.is_relative_to(self._data_dir) and super().can_run(program)


def test_programs_out_of_reach_are_copied_once_and_work_there(own_dir: Path) -> None:
    own_dir.mkdir(exist_ok=True)
    account = Shut(own_dir)
    copied = programs.usable(account, own_dir)
    made = copied.stat().st_ino
    assert copied.is_relative_to(own_dir)
    assert programs.usable(account, own_dir).stat().st_ino == made
    (own_dir / "cluster").mkdir()
    account.own(own_dir / "cluster", 0o700)
    assert account.run([copied / "initdb", "--no-sync", "-D", own_dir / "cluster"]).returncode == 0


def test_a_place_that_is_no_folder_is_the_users_mistake(own_dir: Path) -> None:
    own_dir.mkdir(exist_ok=True)
    (own_dir / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot keep a database in .*; set HEADCOUNT_DATA_DIR elsewhere"):
        embedded(own_dir / "file" / "data").start()


def test_variables_of_libpq_do_not_lead_astray(own_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "9999")
    with embedded(own_dir) as server:
        assert answer(server.url("headcount"), "SHOW port") == "5432"


@AS_ROOT
def test_the_server_does_not_run_as_root(own_dir: Path) -> None:
    with embedded(own_dir):
        assert Path(f"/proc/{postmaster(own_dir)}").stat().st_uid != 0
