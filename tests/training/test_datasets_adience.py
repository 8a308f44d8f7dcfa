"""Adience: bands, stray labels, folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.training.albums import write_files, write_table
from training.datasets import open_dataset
from training.datasets.adience import band_of
from training.errors import TrainingError
from training.evaluation.bands import ADIENCE_LABELS as BANDS
from training.faces import ANY_AGE, FEMALE, MALE, UNKNOWN_GENDER, Label
from training.left_out import UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("user_id", "original_image", "face_id", "age", "gender", "x", "y", "dx", "dy", "tilt_ang")


def tables(root: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Write the five tables; row i stands in fold i % 5."""
    for fold in range(5):
        write_table(root / f"fold_{fold}_data.txt", COLUMNS, [[*row, "0", "0", "9", "9", "0"] for row in rows[fold::5]], delimiter="\t")
    return root


@pytest.mark.parametrize("band", BANDS)
def test_each_band_is_itself_and_so_is_every_year_in_it(band: tuple[int, int]) -> None:
    assert band_of(f"({band[0]}, {band[1]})") == band
    assert {band_of(str(year)) for year in range(band[0], band[1] + 1)} == {band}


@pytest.mark.parametrize(
    ("stray", "meant"),
    [
        ("(27, 32)", (25, 32)),
        ("(38, 42)", (38, 43)),
        ("(38, 48)", (38, 43)),
        ("(8, 23)", ANY_AGE),  # five of its years in one band, six in another
        ("(0, 100)", ANY_AGE),
        ("13", (8, 12)),
        ("22", (15, 20)),
        ("23", (25, 32)),
        ("34", (25, 32)),
        ("36", (38, 43)),
        ("46", (48, 53)),
        ("58", (60, 100)),
        ("3", ANY_AGE),  # as near to 0-2 as to 4-6
        ("35", ANY_AGE),
        ("None", ANY_AGE),
        ("", ANY_AGE),
    ],
)
def test_a_stray_label_stands_for_the_band_that_it_must_mean(stray: str, meant: tuple[int, int]) -> None:
    assert band_of(stray) == meant


@pytest.mark.parametrize("word", ["old", "(25)", "(25, 32, 38)", "25-32", "-5", "1e3"])
def test_what_is_no_age_is_refused(word: str) -> None:
    with pytest.raises(UnusableError, match="unknown age"):
        band_of(word)


def test_faces_have_what_is_known_of_them(tmp_path: Path) -> None:
    rows = [
        ("30601258@N03", "10399646885_67c7d20df9_o.jpg", "1", "(25, 32)", "f"),
        ("30601258@N03", "10424815813_e94629b1ec_o.jpg", "2", "(25, 32)", "u"),
        ("7153718@N04", "11597935265_29bcdf1ff2_o.jpg", "3", "None", "m"),
        ("7153718@N04", "9530059226_1c2d9b8c5a_o.jpg", "4", "None", ""),
        ("7153718@N04", "9611055894_77b91d4cb4_o.jpg", "5", "(4, 6)", "boy"),
    ]
    keys = [f"{user}/coarse_tilt_aligned_face.{face}.{image}" for user, image, face, *_ in rows]
    dataset = open_dataset("adience", write_files(tables(tmp_path, rows), {f"faces/{key}": b"" for key in keys}))
    assert [one.label for one in dataset.pictures()] == [
        Label(age=(25, 32), gender=FEMALE),
        Label(age=(25, 32), gender=UNKNOWN_GENDER),
        Label(age=ANY_AGE, gender=MALE),
    ]
    assert dataset.left_out.reasons == {"neither age nor gender is known": 1, "unknown gender": 1}


def test_the_last_fold_is_held_out(tmp_path: Path) -> None:
    rows = [(f"user{number % 5}", f"{number}.jpg", "1", "(0, 2)", "m") for number in range(20)]
    root = write_files(tables(tmp_path, rows), {f"aligned/user{n % 5}/landmark_aligned_face.1.{n}.jpg": b"" for n in range(20)})
    dataset = open_dataset("adience", root)
    assert dataset.held_out == {f"adience/{one.key}" for one in dataset.pictures() if one.key.startswith("user4/")}
    assert len(dataset.held_out) == 4


def test_a_fold_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    (tables(tmp_path, [("a", "1.jpg", "1", "(0, 2)", "m")]) / "fold_3_data.txt").unlink()
    with pytest.raises(TrainingError, match=r"fold_3_data\.txt cannot be read \(No such file or directory\)$"):
        open_dataset("adience", tmp_path)
