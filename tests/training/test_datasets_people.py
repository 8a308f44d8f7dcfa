"""A closed set of people: folders of photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.training.albums import write_files
from training.datasets import open_dataset
from training.datasets.people import names
from training.errors import TrainingError
from training.faces import Label

if TYPE_CHECKING:
    from pathlib import Path


def test_people_are_numbered_by_name_and_none_is_nobody(tmp_path: Path) -> None:
    files = ["zoe/1.jpg", "Ada/1.jpg", "Ada/more/2.PNG", "none/1.jpg", ".thumbnails/1.jpg", "Ada/notes.txt", "stray.jpg"]
    write_files(tmp_path, {name: name.encode() for name in files})
    dataset = open_dataset("people", tmp_path)
    assert names(tmp_path) == ("Ada", "zoe")
    assert {one.key: one.label for one in dataset.pictures()} == {
        "Ada/1.jpg": Label(person=1),
        "Ada/more/2.PNG": Label(person=1),
        "none/1.jpg": Label(person=0),
        "zoe/1.jpg": Label(person=2),
    }
    assert all(one.read() == one.key.encode() for one in dataset.pictures())


@pytest.mark.parametrize("folders", [["Ada"], ["none"], ["Ada", "zoe"]])
def test_without_people_or_without_others_it_is_refused(tmp_path: Path, folders: list[str]) -> None:
    write_files(tmp_path, {f"{name}/1.jpg": b"" for name in folders})
    with pytest.raises(TrainingError, match=r"expected a folder of photos for each person, and one that is called none, of other people$"):
        open_dataset("people", tmp_path)
