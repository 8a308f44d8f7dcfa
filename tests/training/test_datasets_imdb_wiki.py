"""IMDB-WIKI: Matlab's days, ages, and the cleaning of DEX."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from tests.training.albums import write_files
from training.datasets import open_dataset
from training.datasets.imdb_wiki import Record, date_of, label_of
from training.errors import TrainingError
from training.faces import FEMALE, MALE, Label
from training.left_out import UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAN, INF = float("nan"), float("inf")
BORN_1981 = 723671.0  # as wiki.mat has it for 10000217_1981-05-05_2009.jpg
GOOD = Record(born=BORN_1981, taken=2009, gender=1, face_score=4.3, second_face_score=NAN)
COLUMNS = ("dob", "photo_taken", "gender", "face_score", "second_face_score")


def write_mat(path: Path, names: Sequence[str], records: Sequence[Record]) -> Path:
    table = {column: np.array(values, np.float64) for column, values in zip(COLUMNS, zip(*records, strict=True), strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {path.stem: {**table, "full_path": np.array(names, dtype=object)}})
    return path


@pytest.mark.parametrize(
    ("datenum", "day"),
    [
        (BORN_1981, date(1981, 5, 5)),
        (719529, date(1970, 1, 1)),
        (730486, date(2000, 1, 1)),
        (730545, date(2000, 2, 29)),
        (730546, date(2000, 3, 1)),
        (693962, date(1900, 1, 1)),
        (694021, date(1900, 3, 1)),  # 1900 was no leap year
        (694020, date(1900, 2, 28)),
        (736330.999, date(2016, 1, 1)),
        (367, date(1, 1, 1)),
        (3652425, date(9999, 12, 31)),
    ],
)
def test_days_are_matlabs(datenum: float, day: date) -> None:
    assert date_of(datenum) == day


@pytest.mark.parametrize("rubbish", [NAN, INF, -INF, 0.0, -1.0, 366.999, 3652426.0, 1e300])
def test_rubbish_is_no_day(rubbish: float) -> None:
    assert date_of(rubbish) is None


@given(st.dates(), st.floats(0, 0.99))
def test_a_datenum_counts_the_days_from_the_first_of_year_0(day: date, time_of_day: float) -> None:
    # Year 0 was a leap year of 366 days, all of them before the first day that Python knows.
    datenum = 366 + (day - date(1, 1, 1)) / timedelta(days=1) + 1
    assert date_of(datenum + time_of_day) == day


@given(st.floats())
def test_any_number_gives_a_day_or_none(datenum: float) -> None:
    found = date_of(datenum)
    assert found is None or abs(found.toordinal() + 366 - datenum) < 1


@pytest.mark.parametrize(
    ("born", "age"),
    [(date(1980, 1, 1), 29), (date(1980, 6, 30), 29), (date(1980, 7, 1), 28), (date(1980, 12, 31), 28), (date(1909, 1, 1), 100)],
)
def test_a_photo_is_of_the_middle_of_its_year(born: date, age: int) -> None:
    assert label_of(GOOD._replace(born=born.toordinal() + 366)) == Label(age=(age, age), gender=MALE)


def test_the_genders_are_told_apart() -> None:
    assert label_of(GOOD._replace(gender=0)).gender == FEMALE
    assert label_of(GOOD).gender == MALE


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"face_score": 2.99}, "face score below 3"),
        ({"face_score": -INF}, "face score below 3"),
        ({"face_score": INF}, "face score below 3"),
        ({"face_score": NAN}, "face score below 3"),
        ({"second_face_score": 1.5}, "second face"),
        ({"gender": NAN}, "unknown gender"),
        ({"gender": 0.5}, "unknown gender"),
        ({"born": 0.0}, "no date of birth or of the photo"),
        ({"taken": NAN}, "no date of birth or of the photo"),
        ({"taken": 1981.0}, "age of 0"),
        ({"taken": 1980.0}, "age outside 0..100"),
        ({"taken": 2082.0}, "age outside 0..100"),
    ],
)
def test_what_is_not_clean_is_left_out(changed: dict[str, float], reason: str) -> None:
    with pytest.raises(UnusableError) as failure:
        label_of(GOOD._replace(**changed))
    assert failure.value.reason == reason


def test_both_parts_are_read_from_the_folder_above_and_one_from_its_own(tmp_path: Path) -> None:
    write_mat(tmp_path / "wiki_crop" / "wiki.mat", ["17/10000217_1981-05-05_2009.jpg"], [GOOD])
    names = ["01/nm0000001_rm1.jpg", "01/nm0000001_rm2.jpg", "02/nm0000002_rm3.jpg"]
    write_mat(tmp_path / "imdb_crop" / "imdb.mat", names, [GOOD, GOOD._replace(face_score=1.0), GOOD._replace(gender=0)])
    write_files(tmp_path, {"wiki_crop/17/10000217_1981-05-05_2009.jpg": b"w", **{f"imdb_crop/{name}": b"i" for name in names}})
    both = open_dataset("imdb_wiki", tmp_path)
    assert {one.key: (one.read(), one.label.gender) for one in both.pictures()} == {
        f"imdb_crop/{names[0]}": (b"i", MALE),
        f"imdb_crop/{names[2]}": (b"i", FEMALE),
        "wiki_crop/17/10000217_1981-05-05_2009.jpg": (b"w", MALE),
    }
    assert both.left_out.named == [f"imdb_crop/{names[1]}: face score below 3 (1.00)"]
    (alone,) = open_dataset("imdb_wiki", tmp_path / "wiki_crop").pictures()
    assert (alone.key, alone.read(), alone.label) == (
        "wiki_crop/17/10000217_1981-05-05_2009.jpg",
        b"w",
        Label(age=(28, 28), gender=MALE),
    )


def test_a_damaged_table_is_one_clear_line(tmp_path: Path) -> None:
    whole = write_mat(tmp_path / "wiki.mat", ["1.jpg", "2.jpg"], [GOOD, GOOD]).read_bytes()
    for content in (b"", b"no Matlab file", whole[: len(whole) // 2], b"\x89HDF\r\n\x1a\n" + bytes(600)):
        (tmp_path / "wiki.mat").write_bytes(content)
        with pytest.raises(TrainingError, match=r"wiki\.mat is not the table of wiki \(\w+\)$"):
            open_dataset("imdb_wiki", tmp_path)
    savemat(tmp_path / "wiki.mat", {"wiki": {"dob": [1.0]}})
    with pytest.raises(TrainingError, match=r"\(KeyError\)$"):
        open_dataset("imdb_wiki", tmp_path)
    write_mat(tmp_path / "wiki.mat", ["1.jpg"], [GOOD, GOOD])
    with pytest.raises(TrainingError, match=r"its columns are not lists of one length$"):
        open_dataset("imdb_wiki", tmp_path)
    savemat(tmp_path / "wiki.mat", {"wiki": {column: np.ones((2, 2)) for column in (*COLUMNS, "full_path")}})
    with pytest.raises(TrainingError, match=r"its columns are not lists of one length$"):
        open_dataset("imdb_wiki", tmp_path)


def test_of_a_file_only_the_table_is_read(tmp_path: Path) -> None:
    write_mat(tmp_path / "wiki.mat", ["1.jpg"], [GOOD])
    table = loadmat(tmp_path / "wiki.mat", simplify_cells=True)["wiki"]
    savemat(tmp_path / "wiki.mat", {"wiki": table, "more": np.random.default_rng(0).random(10_000)}, do_compression=True)
    content = (tmp_path / "wiki.mat").read_bytes()
    (tmp_path / "wiki.mat").write_bytes(content[:-500] + bytes(500))
    with pytest.raises(ValueError, match="corrupted"):
        loadmat(tmp_path / "wiki.mat")
    write_files(tmp_path, {"1.jpg": b"w"})
    assert len(open_dataset("imdb_wiki", tmp_path)) == 1
