"""Whoever interrupts a command is told what the same command will do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""What a shell runs in the background ignores Ctrl-C, and so do its children; tests may run there."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "pipe.toml"], "interrupted; the same command goes on from the last whole epoch"),
        (["visits", "pipe.toml", "clip.mp4"], "interrupted"),
    ],
)
def test_only_a_training_goes_on(tmp_path: Path, words: list[str], said: str) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", f"{HEARD}; from training.cli import main; main()", *words]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    with process, (tmp_path / "pipe.toml").open("wb"):  # it is open once the command reads it
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, f"headcount-train: {said}\n")
