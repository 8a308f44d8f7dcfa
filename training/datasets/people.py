"""A closed set of people whom an operator chose, for `identity` alone: a folder of photos for each, and `none` for everybody else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.errors import TrainingError
from training.faces import Label
from training.framing import ANYWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.dataset import Dataset

NOBODY = "none"


def names(root: Path) -> tuple[str, ...]:
    """Return who is in the set: `Label.person` is the place in it, from 1.

    Raises:
        TrainingError: There are no folders of people, or nobody else to tell them from.
    """
    try:
        folders = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    except OSError as error:
        raise TrainingError(f"{root} cannot be read ({error.strerror})") from None
    if NOBODY not in folders or len(folders) == 1:
        raise TrainingError(f"{root}: expected a folder of photos for each person, and one that is called {NOBODY}, of other people")
    return tuple(sorted(folders - {NOBODY}))


def open_people(root: Path) -> Dataset:
    """Open it; the keys are `<name>/<file>`.

    Raises:
        TrainingError: There are no folders of people, or nobody else to tell them from.
    """
    number = {NOBODY: 0} | {name: place for place, name in enumerate(names(root), start=1)}
    files = PictureFiles(root)
    rows = [Row((path,), partial(Label, person=number[path.split("/")[0]])) for path in files.paths() if path.split("/")[0] in number]
    return gather("people", "the operator's own", ANYWHERE, rows, files)
