from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.adapters.ray_folder import RayFolder

if TYPE_CHECKING:
    from pathlib import Path


def session_of(process: int, data_dir: Path) -> Path:
    session = data_dir / "ray" / "s" / f"session_2026-01-01_00-00-00_000000_{process}"
    session.mkdir(parents=True)
    return session


def test_a_session_that_was_left_under_our_own_number_is_swept(tmp_path: Path) -> None:
    left = session_of(os.getpid(), tmp_path)
    with RayFolder(tmp_path):
        assert not left.exists()


def test_sessions_of_those_who_live_are_not_swept_by_who_comes_later(tmp_path: Path) -> None:
    with RayFolder(tmp_path):
        used = session_of(os.getpid(), tmp_path)
        for _ in range(2):
            with RayFolder(tmp_path):
                assert used.exists()
    with RayFolder(tmp_path):
        assert not used.exists()
