"""Adience: eight age bands, five folds in which no person is in two (Eidinger, Enbar and Hassner, 2014; Levi and Hassner, 2015).

Read are `fold_0_data.txt` to `fold_4_data.txt` and the pictures `<user>/coarse_tilt_aligned_face.<face>.<image>` (`faces`) or
`<user>/landmark_aligned_face.<face>.<image>` (`aligned`), wherever below the folder they lie.

Some ages in the tables are none of the eight bands: other intervals, and single years. An interval stands for the band that holds
more than half of its years, a year for the nearest band; where that is not just one, the age is not known. Most published work
does the same with all but the few that this rule refuses ("3", "35", "(8, 23)"), on which it does not agree.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.datasets.labels import gender
from training.datasets.tables import cell, read_table
from training.evaluation.bands import ADIENCE_LABELS as BANDS
from training.faces import ANY_AGE, UNKNOWN_GENDER, Label
from training.framing import CENTRED
from training.left_out import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.dataset import Dataset
    from training.datasets.tables import Cells

FOLDS = 5

_COLUMNS = ("user_id", "original_image", "face_id", "age", "gender")
_INTERVAL = re.compile(r"\((\d{1,3}), ?(\d{1,3})\)")
_YEAR = re.compile(r"\d{1,3}")
_NO_AGE = ("", "None")
_NO_GENDER = ("", "u")


def open_adience(root: Path) -> Dataset:
    """Open all five folds; the last one is held out, so that nobody is trained on and measured.

    Raises:
        TrainingError: A table is missing or is none.
    """
    folds = [read_table(root / f"fold_{fold}_data.txt", _COLUMNS, delimiter="\t") for fold in range(FOLDS)]
    rows = [Row(_names(row), partial(_label, row)) for fold in folds for row in fold]
    dataset = gather("adience", "research only, by its authors' licence", CENTRED, rows, PictureFiles(root))
    return replace(dataset, held_out=frozenset(f"adience/{_names(row)[0]}" for row in folds[-1]))


def band_of(age: str) -> tuple[int, int]:
    """Return the band (first and last year) of an age as the tables write it, `ANY_AGE` where none is meant.

    Raises:
        UnusableError: It is no age.
    """
    if age in _NO_AGE:
        return ANY_AGE
    interval = _INTERVAL.fullmatch(age)
    if interval is None and not _YEAR.fullmatch(age):
        raise UnusableError("unknown age", repr(age))
    low, high = (int(interval[1]), int(interval[2])) if interval else (int(age), int(age))
    found = _nearest(low) if low == high else _holding(low, high)
    return found[0] if len(found) == 1 else ANY_AGE


def _nearest(year: int) -> list[tuple[int, int]]:
    distance = {band: max(band[0] - year, year - band[1], 0) for band in BANDS}
    return [band for band in BANDS if distance[band] == min(distance.values())]


def _holding(low: int, high: int) -> list[tuple[int, int]]:
    return [band for band in BANDS if 2 * (min(high, band[1]) - max(low, band[0]) + 1) > high - low + 1]


def _label(row: Cells) -> Label:
    age, sex = band_of(cell(row, "age")), cell(row, "gender")
    label = Label(age=age, gender=UNKNOWN_GENDER if sex in _NO_GENDER else gender(sex))
    if label == Label():
        raise UnusableError("neither age nor gender is known")
    return label


def _names(row: Cells) -> tuple[str, ...]:
    user, image, face = (row[column] or "" for column in _COLUMNS[:3])
    return f"{user}/coarse_tilt_aligned_face.{face}.{image}", f"{user}/landmark_aligned_face.{face}.{image}"
