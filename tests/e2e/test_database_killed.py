"""The embedded PostgreSQL is killed while a run or a worker uses it: it comes back, and the rows are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest

from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.errors import DatabaseUnavailableError
from tests.e2e.command import finish
from tests.e2e.rows import Stored, ask, assert_same, stored

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.e2e.command import Program

KILLS = 3
POLL_S = 0.02
BACK = "the embedded database had died and runs again"


@pytest.fixture(scope="module")
def clips(demo_clip: Path, server_dir: Path) -> list[Path]:
    """Two cameras' recordings."""
    folder = server_dir / "killed-clips"
    folder.mkdir()
    copies = [folder / f"{name}.mp4" for name in "ab"]
    for copy in copies:
        copy.hardlink_to(demo_clip)
    return copies


@pytest.fixture(scope="module")
def program(headcount: Program) -> Program:
    return headcount.with_settings(commit_segments=1, partitions=2)


@pytest.fixture(scope="module")
def whole(program: Program, clips: list[Path], server_dir: Path) -> Stored:
    """What a run that nothing disturbs stores."""
    data_dir = server_dir / "whole-run"
    ended = program.with_settings(data_dir=data_dir)("run", *clips, "--keep", "--no-ray")
    assert ended.code == 0, ended
    with EmbeddedPostgres(data_dir, notice=lambda _: None) as server:
        return stored(server.url("headcount"))


def committed(data_dir: Path) -> int:
    """Return how many records are analysed and stored so far; 0 while the database does not answer."""
    server = EmbeddedPostgres(data_dir, notice=lambda _: None)  # only its address: who enters it would start it
    try:
        return int(ask(server.url("headcount"), "SELECT coalesce(sum(next_offset), 0) FROM log_partition")[0][0])
    except (DatabaseUnavailableError, psycopg2.Error):
        return 0


def wait_beyond(data_dir: Path, before: int, process: subprocess.Popen[str]) -> int:
    """Wait until more is committed than before; return how much."""
    while (now := committed(data_dir)) <= before:
        assert process.poll() is None, finish(process)
        time.sleep(POLL_S)
    return now


def kill_now_and_then(data_dir: Path, process: subprocess.Popen[str]) -> None:
    """Kill the server, each time after something was committed since the last one."""
    before = 0
    for _ in range(KILLS):
        before = wait_beyond(data_dir, before, process)
        os.kill(int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def assert_unharmed(data_dir: Path, process: subprocess.Popen[str], whole: Stored) -> None:
    ended = finish(process)
    assert ended.code == 0, ended
    assert ended.stderr.count(BACK) == KILLS, ended.stderr
    assert not (data_dir / "postgres" / "postmaster.pid").exists(), "a server was left behind"
    with EmbeddedPostgres(data_dir, notice=lambda _: None) as server:
        assert_same(stored(server.url("headcount")), whole)


@pytest.mark.parametrize("how", [(), ("--no-ray",)], ids=["with-ray", "no-ray"])
def test_a_run_whose_database_is_killed_stores_what_any_run_does(
    program: Program, clips: list[Path], data_dir: Path, whole: Stored, how: tuple[str, ...]
) -> None:
    process = program.with_settings(data_dir=data_dir).start("run", *clips, "--keep", "--pace", *how)
    kill_now_and_then(data_dir, process)
    assert_unharmed(data_dir, process, whole)


def test_a_worker_whose_database_is_killed_stores_what_any_run_does(
    program: Program, clips: list[Path], data_dir: Path, whole: Stored
) -> None:
    program = program.with_settings(data_dir=data_dir)
    fed = program("ingest", *clips)
    assert fed.code == 0, fed
    process = program.start("worker", "--until-end")
    kill_now_and_then(data_dir, process)
    assert_unharmed(data_dir, process, whole)
