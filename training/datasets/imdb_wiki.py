"""IMDB-WIKI: faces of actors and of people in Wikipedia, aged by date of birth and year of the photo (Rothe, Timofte and Van Gool, 2018).

Read are `imdb.mat` and `wiki.mat`, in the folder or in `imdb_crop` and `wiki_crop` below it, with the pictures beside each. Cleaned
as its authors did for DEX: a face was found, and found well, no second one was, the age is within 1..100 and the gender known.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from training.datasets.dataset import Row, gather
from training.datasets.files import PictureFiles
from training.datasets.labels import checked_age
from training.errors import TrainingError
from training.faces import FEMALE, MALE, Label
from training.framing import CENTRED
from training.left_out import UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.datasets.dataset import Dataset

_PARTS = ("imdb", "wiki")
_COLUMNS = ("dob", "photo_taken", "full_path", "gender", "face_score", "second_face_score")
_GENDERS = {0.0: FEMALE, 1.0: MALE}
_MIN_FACE_SCORE = 3.0
_DAYS_BEFORE_YEAR_1 = 366  # Matlab counts from year 0, a leap year; Python from year 1
_MID_YEAR = 7  # photos are taken to be of the first of July


class Record(NamedTuple):
    """What the tables say of one picture; in the order of the columns."""

    born: float  # Matlab's datenum: days; 1 is January 1 of year 0
    taken: float  # year
    gender: float  # 0 female, 1 male, NaN: not known
    face_score: float  # infinity: no face was found
    second_face_score: float  # NaN: there is no second face


def open_imdb_wiki(root: Path) -> Dataset:
    """Open one part or both.

    Raises:
        TrainingError: There is no table, or it is none.
    """
    places = [path for part in _PARTS for path in (root / f"{part}.mat", root / f"{part}_crop" / f"{part}.mat") if path.exists()]
    if not places:
        raise TrainingError(f"{root}: expected imdb.mat or wiki.mat, in it or in imdb_crop or wiki_crop below it")
    rows = [row for path in places for row in _rows(path)]
    return gather("imdb_wiki", "academic research only", CENTRED, rows, PictureFiles(root))


def date_of(datenum: float) -> date | None:
    """Return the day of Matlab's datenum, None where it is none of the years 1 to 9999."""
    days = datenum - _DAYS_BEFORE_YEAR_1
    return date.fromordinal(int(days)) if 1 <= days < date.max.toordinal() + 1 else None


def label_of(record: Record) -> Label:
    """Return the label of a picture that is clean.

    Raises:
        UnusableError: It is not.
    """
    if not isfinite(record.face_score) or record.face_score < _MIN_FACE_SCORE:
        raise UnusableError(f"face score below {_MIN_FACE_SCORE:g}", f"{record.face_score:.2f}")
    if not np.isnan(record.second_face_score):
        raise UnusableError("second face")
    if record.gender not in _GENDERS:
        raise UnusableError("unknown gender", str(record.gender))
    born = date_of(record.born)
    if born is None or not isfinite(record.taken):
        raise UnusableError("no date of birth or of the photo")
    age = int(record.taken) - born.year - (born.month >= _MID_YEAR)
    if age == 0:
        raise UnusableError("age of 0")
    return Label(age=checked_age(age), gender=_GENDERS[record.gender])


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table; a picture's key begins with its part: "wiki_crop/17/10000217_1981-05-05_2009.jpg"."""
    part = path.stem
    for name, *numbers in zip(*_columns(path, part), strict=True):
        key, record = f"{part}_crop/{name}", Record(*map(float, numbers))
        # Where the part itself was named, its pictures lie beside the table.
        yield Row((key, str(name)), partial(label_of, record))


def _columns(path: Path, part: str) -> list[Any]:
    """Return the columns of a table: the pictures' paths, and the numbers of `Record`.

    Raises:
        TrainingError: It is no such table.
    """
    from scipy.io import loadmat  # noqa: PLC0415 - half a second, for one data set of many

    try:
        table = loadmat(path, simplify_cells=True, variable_names=[part])[part]
        born, taken, names, *others = (np.atleast_1d(table[column]) for column in _COLUMNS)
        columns = [names, *(np.asarray(numbers, np.float64) for numbers in (born, taken, *others))]
    except Exception as error:  # noqa: BLE001 - what scipy raises depends on where the file is damaged
        raise TrainingError(f"{path} is not the table of {part} ({type(error).__name__})") from None
    if {column.shape for column in columns} != {(len(names),)}:
        raise TrainingError(f"{path} is not the table of {part}: its columns are not lists of one length")
    return columns
