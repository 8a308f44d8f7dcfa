"""What `analyze` refuses before it does any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from services.analyze import analyze
from tests.clips import Clip, make_clip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "door", Clip(frames=10))


def refusal(clip: Path, out: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        analyze(str(clip), out, Settings(), Console(quiet=True))
    return str(refused.value)


def test_the_source_is_never_written_over(clip: Path, tmp_path: Path) -> None:
    before = clip.read_bytes()
    other_name = tmp_path / "link.mp4"
    other_name.symlink_to(clip)
    assert "the source itself" in refusal(clip, clip)
    assert "the source itself" in refusal(clip, other_name)
    assert clip.read_bytes() == before


def test_a_suffix_that_does_not_fit_the_source_is_told(clip: Path, tmp_path: Path) -> None:
    assert ".mkv, .mov, .mp4" in refusal(clip, tmp_path / "out.png")


def test_a_folder_that_is_missing_is_told(clip: Path, tmp_path: Path) -> None:
    assert "there is no folder" in refusal(clip, tmp_path / "missing" / "out.mp4")
