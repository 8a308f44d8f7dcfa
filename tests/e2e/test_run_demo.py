"""What a new user sees first: `headcount run --demo`, with and without a terminal, and the SQL shell afterwards."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import av
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.command import Program

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def demo_program(headcount: Program, server_dir: Path) -> Program:
    return headcount.with_settings(data_dir=server_dir / "demo-data")


@pytest.fixture(scope="module")
def screen(demo_program: Program) -> list[str]:
    """The lines of the first run's terminal, 100 columns wide."""
    code, written = demo_program.on_terminal("run", "--demo", columns=100)
    assert code == 0, written
    return [line.rstrip() for line in _CONTROL.sub("", written).replace("\r", "\n").split("\n") if line.strip()]


def count_of_visits(program: Program) -> str:
    ended = program("sql", "--", "-XAt", "-c", "SELECT count(*) FROM visits")
    assert ended.code == 0, ended
    return ended.stdout.strip()


def test_it_says_what_it_is_and_how_it_goes(screen: list[str]) -> None:
    text = "\n".join(screen)
    assert "made clip" in text
    assert re.search(r"segments \d+/6 +\d+ frames/s +faces \d+ +open tracks \d+ +visits \d", text)
    assert "3 visits" in text
    assert "shares by age band and gender" in text
    assert "headcount sql" in text


def test_nothing_is_cut_off_at_100_columns(screen: list[str]) -> None:
    assert max(len(line) for line in screen if not line.startswith("annotated picture")) <= 100
    after_progress = screen[next(i for i, line in enumerate(screen) if line.startswith("3 visits")) :]
    assert not [line for line in after_progress if "…" in line]


def test_the_annotated_picture_is_one(screen: list[str]) -> None:
    path = next(line for line in screen if line.startswith("annotated picture: ")).removeprefix("annotated picture: ")
    with av.open(path) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (1280, 720)


@pytest.mark.usefixtures("screen")
def test_the_rows_are_kept_and_a_second_run_adds_none(demo_program: Program) -> None:
    assert count_of_visits(demo_program) == "3"
    ended = demo_program("run", "--demo", "--json")
    assert ended.code == 0, ended
    assert len(json.loads(ended.stdout)["visits"]) == 3
    assert count_of_visits(demo_program) == "3"


@pytest.mark.usefixtures("screen")
def test_without_a_terminal_there_is_no_progress_and_no_colour(demo_program: Program) -> None:
    ended = demo_program("run", "--demo")
    assert ended.code == 0, ended
    assert "3 visits" in ended.stdout
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "frames/s" not in ended.stdout
