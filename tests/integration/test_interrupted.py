"""Ctrl-C before a command has begun: one line, and the exit code of a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


# Whoever runs tests in the background of a shell gives them a SIGINT that is ignored, and they give it on.
WITH_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from services.cli import main; main()"


def test_ctrl_c_at_the_start_is_said_in_one_line(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    os.mkfifo(sources, 0o600)
    command = [sys.executable, "-c", WITH_SIGINT, "stack", "up", "--foreground", "--data-dir", str(tmp_path), "--from", str(sources)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    with process, sources.open("w"):  # it waits for the first line
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "headcount: interrupted\n")
