"""Runs a part of a test in a process of its own: what memory that native code has damaged ends is that process, and the test says so."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 240.0
# What was freed, and what was not written yet, is no address: who uses it is ended, and not now and then.
PERTURBED = {"MALLOC_PERTURB_": "165"}


def run_apart(work: Callable[[Path], None], folder: Path) -> None:
    """Call a module's function with a folder in another process; what it raises, or the signal that ends it, fails the test."""
    command = [sys.executable, "-u", "-X", "faulthandler", "-W", "error", "-m", __name__, work.__module__, work.__name__, str(folder)]
    environment = os.environ | PERTURBED
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=PATIENCE_S, check=False)
    if ended.returncode != 0:
        how = signal.Signals(-ended.returncode).name if ended.returncode < 0 else f"exit code {ended.returncode}"
        pytest.fail(f"{work.__name__} ended with {how} after saying {ended.stdout[-100:]!r}\n{ended.stderr}", pytrace=False)


def main() -> None:
    """Do the work that the arguments name."""
    module, name, folder = sys.argv[1:]
    getattr(importlib.import_module(module), name)(Path(folder))


if __name__ == "__main__":
    main()
