"""What ends a process of its own fails the test that started it, and is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.apart import run_apart

if TYPE_CHECKING:
    from pathlib import Path


def leave_a_mark(folder: Path) -> None:
    (folder / "mark").write_text(str(os.getpid()))


def find_no_mark(folder: Path) -> None:
    assert (folder / "mark").exists(), "there is no mark"


def abort(folder: Path) -> None:
    os.write(1, folder.name.encode())
    os.abort()


def test_the_work_is_done_in_another_process(tmp_path: Path) -> None:
    run_apart(leave_a_mark, tmp_path)
    assert (tmp_path / "mark").read_text() != str(os.getpid())


def test_what_it_raises_fails_the_test(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)find_no_mark ended with exit code 1 .*there is no mark"):
        run_apart(find_no_mark, tmp_path)


def test_a_signal_fails_the_test_with_the_last_words_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"(?s)abort ended with SIGABRT after saying '{tmp_path.name}'.* in abort\n"):
        run_apart(abort, tmp_path)
