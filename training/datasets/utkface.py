"""UTKFace, aligned and cropped: ages in years (Zhang, Song and Qi, CVPR 2017).

Read are a folder's `labels.csv` (file, age, gender, race), or, where there is none, the authors' file names:
`[age]_[gender]_[race]_[date].jpg`, gender 0 male and 1 female.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.datasets.labels import exact_age, gender, race
from training.datasets.tables import cell, read_table
from training.faces import FEMALE, MALE, Label
from training.framing import TIGHT
from training.left_out import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.dataset import Dataset
    from training.datasets.tables import Cells

_GENDERS = {"0": MALE, "1": FEMALE}
_RACES = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "Other"}
_FIELDS = 4


def open_utkface(root: Path) -> Dataset:
    """Open it.

    Raises:
        TrainingError: The table cannot be read.
    """
    files = PictureFiles(root)
    table = root / "labels.csv"
    if table.exists():
        rows = [Row((row["file"] or "",), partial(_label, row)) for row in read_table(table, ("file", "age", "gender", "race"))]
    else:
        rows = [Row((name,), partial(label_of_name, name)) for name in files.names()]
    return gather("utkface", "non-commercial research only", TIGHT, rows, files)


def _label(row: Cells) -> Label:
    return Label(age=exact_age(cell(row, "age")), gender=gender(cell(row, "gender")), group=race(cell(row, "race")))


def label_of_name(name: str) -> Label:
    """Return what a file's name says.

    Raises:
        UnusableError: It says too little (some of the authors' own names do), or what cannot be.
    """
    fields = name.split("_")
    if len(fields) != _FIELDS:
        raise UnusableError("name is not [age]_[gender]_[race]_[date]")
    age, sex, number, _ = fields
    if sex not in _GENDERS:
        raise UnusableError("unknown gender", repr(sex))
    if number not in _RACES:
        raise UnusableError("unknown race label", repr(number))
    return Label(age=exact_age(age), gender=_GENDERS[sex], group=_RACES[number])
