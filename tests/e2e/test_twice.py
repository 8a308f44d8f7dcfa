"""The same input gives the same rows: in another database, a second time in the same one, and after a run was killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.rows import Stored, ask, assert_same, stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.command import Program

POLL_S = 0.02


@pytest.fixture(scope="module")
def first(headcount: Program, demo_clip: Path, new_database: Callable[[], str], server_dir: Path) -> tuple[Program, str, Stored]:
    """A program, its database, and what one run stored there."""
    database = new_database()
    program = headcount.with_settings(database_url=database, data_dir=server_dir / "first")
    assert program("run", demo_clip).code == 0
    return program, database, stored(database)


def test_in_another_database(first: tuple[Program, str, Stored], demo_clip: Path, new_database: Callable[[], str], data_dir: Path) -> None:
    program, _, rows = first
    database = new_database()
    assert program.with_settings(database_url=database, data_dir=data_dir)("run", demo_clip).code == 0
    assert rows.visits == 3
    assert_same(stored(database), rows)


def test_a_second_time(first: tuple[Program, str, Stored], demo_clip: Path) -> None:
    program, database, rows = first
    ended = program("run", demo_clip)
    assert ended.code == 0, ended
    assert "3 visits" in ended.stdout
    assert stored(database) == rows


def test_with_another_log_that_has_to_be_filled_anew(first: tuple[Program, str, Stored], demo_clip: Path, data_dir: Path) -> None:
    program, database, rows = first
    assert program.with_settings(data_dir=data_dir)("run", demo_clip).code == 0
    after = stored(database)
    assert (after.exact["visits"], after.exact["coverage"]) == (rows.exact["visits"], rows.exact["coverage"])


def test_killed_in_the_middle_and_started_again(
    first: tuple[Program, str, Stored], demo_clip: Path, database_url: str, data_dir: Path
) -> None:
    program, _, rows = first
    program = program.with_settings(database_url=database_url, data_dir=data_dir, commit_segments=1, uncommitted_max_bytes=2**20)
    process = program.start("run", demo_clip)
    while not ask(database_url, "SELECT 1 FROM log_partition WHERE next_offset > 1"):
        assert process.poll() is None, process.communicate()
        time.sleep(POLL_S)
    process.kill()
    process.communicate()
    assert not ask(database_url, "SELECT 1 FROM log_partition WHERE next_offset = 7"), "the kill came too late to show anything"
    ended = program("run", demo_clip)
    assert ended.code == 0, ended
    assert_same(stored(database_url).of_the_video(), rows.of_the_video())
