from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
HUNG = "partition 0 did not stop within 0.1 s; start the worker again\n"


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        ("none", f"headcount: {HUNG}"),
        ("known", f"headcount: the model is broken; besides, {HUNG}"),
        ("bug", f"ZeroDivisionError: a bug\nheadcount: {HUNG}"),
    ],
)
def test_the_process_ends_though_a_lane_hangs(error: str, complaint: str) -> None:
    command = [sys.executable, "-m", "tests.integration.hanging_command", "hang", error]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith(complaint)
    assert ended.stderr == complaint or error == "bug"
