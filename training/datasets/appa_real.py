"""APPA-REAL of ChaLearn LAP: ages as about 38 people each guessed them, and how far they disagreed (Agustsson and others, FG 2017).

Read are `gt_avg_train.csv` and `gt_avg_valid.csv`, of the part to judge on `gt_avg_test.csv`, and the cut-out faces
`<part>/<file>_face.jpg` (a margin of 40% around each).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.datasets.labels import checked_age, number
from training.datasets.tables import cell, read_table
from training.faces import Label
from training.framing import CENTRED

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.dataset import Dataset
    from training.datasets.tables import Cells

_MEAN, _DEVIATION = "apparent_age_avg", "apparent_age_std"


def open_appa_real(root: Path) -> Dataset:
    """Open the parts that are trained on and chosen by.

    Raises:
        TrainingError: A table is missing or is none.
    """
    return _open(root, "appa_real", ("train", "valid"))


def open_appa_real_test(root: Path) -> Dataset:
    """Open the part to judge on.

    Raises:
        TrainingError: The table is missing or is none.
    """
    return _open(root, "appa_real_test", ("test",))


def _open(root: Path, name: str, parts: tuple[str, ...]) -> Dataset:
    rows = [
        Row((f"{part}/{row['file_name']}_face.jpg",), partial(_label, row))
        for part in parts
        for row in read_table(root / f"gt_avg_{part}.csv", ("file_name", _MEAN, _DEVIATION))
    ]
    return gather(name, "research only, by its authors' licence", CENTRED, rows, PictureFiles(root))


def _label(row: Cells) -> Label:
    """Return the apparent age to the year, with its deviation where the guesses differed at all.

    Labels are whole years: rounding the mean of the guesses moves an error, and so the ε-error, by up to half a year.
    """
    mean, deviation = (number(cell(row, column)) for column in (_MEAN, _DEVIATION))
    return Label(age=checked_age(round(mean)), sigma=deviation if deviation > 0 else None)
