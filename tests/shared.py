"""Finds the project's shared material beside the repository; a fresh clone may lack it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_path(name: str) -> Path:
    """Return `../shared/<name>`; skip the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/{name} beside the repository")
    return path
