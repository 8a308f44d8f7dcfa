from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from services.stack.logfile import LogFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(path=tmp_path / "logs" / "part.log", max_bytes=100)


def write(log: LogFile, text: str) -> None:
    descriptor = log.open()
    os.write(descriptor, text.encode())
    os.close(descriptor)


def test_a_log_that_has_grown_is_emptied_and_what_it_held_is_kept_once(log: LogFile) -> None:
    descriptor = log.open()
    for number in range(30):
        os.write(descriptor, f"line {number}\n".encode())
    log.shorten()
    os.write(descriptor, b"line 30\n")  # the same writer goes on
    os.close(descriptor)
    assert log.path.read_text() == "line 30\n"
    assert log.older.stat().st_size == 100
    assert log.tail(3) == ["line 28", "line 29", "line 30"]
    assert stat.S_IMODE(log.path.stat().st_mode) == stat.S_IMODE(log.older.stat().st_mode) == 0o600


def test_a_short_log_is_left_alone(log: LogFile) -> None:
    write(log, "a line\n")
    log.shorten()
    assert log.path.read_text() == "a line\n"
    assert not log.older.exists()


def test_the_last_words_are_the_last_line_that_says_something(log: LogFile) -> None:
    assert log.last_words() == ""
    write(log, "first\n  the end  \n\n \n")
    assert log.last_words() == "the end"


def test_the_last_words_are_a_complaint_that_counts_follow(log: LogFile) -> None:
    write(log, "headcount: the camera does not answer\n0 segments are in the log\n")
    assert log.last_words() == "the camera does not answer"
    write(log, "Traceback\nline 1\nline 2\nKeyError: 'name'\n")
    assert log.last_words() == "KeyError: 'name'"


def test_a_log_that_is_not_there_has_no_lines(log: LogFile) -> None:
    log.shorten()
    assert log.tail(5) == []
