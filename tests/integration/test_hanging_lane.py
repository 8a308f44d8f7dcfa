from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


def test_the_process_ends_though_a_lane_hangs() -> None:
    command = [sys.executable, "-m", "tests.integration.hanging_command", "hang"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "headcount: partition 0 did not stop within 0.1 s; start the worker again\n"
