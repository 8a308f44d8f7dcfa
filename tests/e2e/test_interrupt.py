"""Ctrl-C: the run ends in good order, says what was kept, leaves no server behind, and can be taken up again."""

from __future__ import annotations

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
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.command import Program

POLL_S = 0.1


@pytest.fixture
def whole(headcount: Program, demo_clip: Path, database_url: str, server_dir: Path) -> Stored:
    """What an undisturbed run stores."""
    ended = headcount.with_settings(database_url=database_url, data_dir=server_dir / "whole")("run", demo_clip)
    assert ended.code == 0, ended
    return stored(database_url)


def committed(server: EmbeddedPostgres) -> int:
    """Return how many records are analysed and stored so far; 0 while there is no database yet."""
    try:
        return int(ask(server.url("headcount"), "SELECT coalesce(sum(next_offset), 0) FROM log_partition")[0][0])
    except (DatabaseUnavailableError, psycopg2.Error):
        return 0


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(POLL_S)


def test_an_interrupted_run_is_taken_up_again(headcount: Program, demo_clip: Path, data_dir: Path, whole: Stored) -> None:
    program = headcount.with_settings(data_dir=data_dir)
    server = EmbeddedPostgres(data_dir, notice=lambda _: None)
    process = program.start("run", demo_clip, "--keep", "--pace")
    wait_for(lambda: committed(server) > 0 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 0, ended
    assert "interrupted" in ended.stdout
    assert "the rest goes on next time" in ended.stdout
    assert not (data_dir / "postgres" / "postmaster.pid").exists(), "a server was left behind"
    ended = program("run", demo_clip, "--keep")
    assert ended.code == 0, ended
    with server:
        assert_same(stored(server.url("headcount")), whole)
