"""FairFace: nine age groups, in the wild (Kärkkäinen and Joo, WACV 2021).

Read are a folder's `labels.csv` (file, age_group, gender, race) and the authors' own `fairface_label_train.csv` (file, age, gender,
race); of the validation part `fairface_label_val.csv` alone, for a `labels.csv` holds faces to train on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.types import AGE_BANDS
from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.datasets.labels import gender, race
from training.datasets.tables import cell, read_table
from training.faces import MAX_AGE, Label
from training.framing import TIGHT
from training.left_out import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.dataset import Dataset
    from training.datasets.tables import Cells

_OLDEST = ("more than 70", "70+")
_INTERVALS = {band: (int(band.split("-")[0]), int(band.split("-")[1])) for band in AGE_BANDS if "-" in band}
_INTERVALS |= dict.fromkeys(_OLDEST, (70, MAX_AGE))


def open_fairface(root: Path) -> Dataset:
    """Open the training part.

    Raises:
        TrainingError: The table cannot be read.
    """
    table = root / "fairface_label_train.csv"
    return _open(root, "fairface", table, "age") if table.exists() else _open(root, "fairface", root / "labels.csv", "age_group")


def open_fairface_val(root: Path) -> Dataset:
    """Open the validation part, on which others' figures are measured.

    Raises:
        TrainingError: The table cannot be read.
    """
    return _open(root, "fairface_val", root / "fairface_label_val.csv", "age")


def _open(root: Path, name: str, table: Path, column: str) -> Dataset:
    rows = read_table(table, ("file", column, "gender", "race"))
    labelled = [Row((row["file"] or "",), partial(_label, row, column)) for row in rows]
    return gather(name, "CC-BY-4.0", TIGHT, labelled, PictureFiles(root))


def _label(row: Cells, column: str) -> Label:
    group = cell(row, column)
    if group not in _INTERVALS:
        raise UnusableError("unknown age group", repr(group))
    return Label(age=_INTERVALS[group], gender=gender(cell(row, "gender")), group=race(cell(row, "race")))
