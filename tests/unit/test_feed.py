from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError, SourceError
from pipeline.settings import Settings
from services.feed import FeedOptions, name_sources, usable_sources
from tests.clips import Clip, make_clip

if TYPE_CHECKING:
    from pathlib import Path


def names(*sources: Path | str, given: tuple[str, ...] = ()) -> list[str]:
    return [source.name for source in name_sources(FeedOptions(sources=[str(source) for source in sources], names=given))]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "door", Clip(frames=10))


def test_a_camera_is_named_after_its_file(clip: Path) -> None:
    assert names(clip) == ["door"]


def test_files_of_one_name_are_distinct_cameras(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert names(clip, make_clip(other / "door", Clip(frames=10))) == ["door", "door-2"]


def test_given_names_are_taken_in_order(clip: Path) -> None:
    assert names(clip, clip, given=("left", "right")) == ["left", "right"]


def test_a_name_too_few_is_refused(clip: Path) -> None:
    with pytest.raises(ConfigurationError, match="1 times for 2 cameras"):
        names(clip, clip, given=("left",))


def test_a_source_that_does_not_open_does_not_keep_the_others_from_being_used(clip: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"no video" * 100)
    named = name_sources(FeedOptions(sources=[str(garbage), str(clip)]))
    usable, failures = usable_sources(named, Settings())
    assert [source.name for source in usable] == ["door"]
    assert [failure.kind for failure in failures] == ["not_a_video"]


def test_where_none_opens_the_first_reason_is_told(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"no video" * 100)
    with pytest.raises(SourceError, match=r"garbage\.mp4"):
        usable_sources(name_sources(FeedOptions(sources=[str(garbage)])), Settings())
