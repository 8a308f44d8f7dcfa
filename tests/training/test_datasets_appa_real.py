"""APPA-REAL: apparent ages with their deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.training.albums import write_files, write_table
from training.datasets import open_dataset
from training.errors import TrainingError
from training.faces import Label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("file_name", "num_ratings", "apparent_age_avg", "apparent_age_std", "real_age")


def part(root: Path, name: str, ages: Sequence[tuple[str, str]]) -> None:
    rows = [(f"{number:06}.jpg", 36, mean, deviation, 99) for number, (mean, deviation) in enumerate(ages)]
    write_table(root / f"gt_avg_{name}.csv", COLUMNS, rows)
    write_files(root / name, {f"{row[0]}{ending}": f"{name} {row[0]}".encode() for row in rows for ending in ("", "_face.jpg")})


def test_an_apparent_age_comes_with_its_deviation(tmp_path: Path) -> None:
    part(tmp_path, "train", [("5.0", "0.7071"), ("24.62", "0"), ("101.2", "3.0"), ("nan", "1.0"), ("ten", "1.0")])
    part(tmp_path, "valid", [("41.4", "6.5")])
    part(tmp_path, "test", [("70.0", "9.25")])
    dataset = open_dataset("appa_real", tmp_path)
    assert {one.key: one.label for one in dataset.pictures()} == {
        "train/000000.jpg_face.jpg": Label(age=(5, 5), sigma=0.7071),
        "train/000001.jpg_face.jpg": Label(age=(25, 25)),
        "valid/000000.jpg_face.jpg": Label(age=(41, 41), sigma=6.5),
    }
    assert dataset.left_out.reasons == {"age outside 0..100": 1, "not a number": 2}
    assert [one.read() for one in dataset.pictures()][2] == b"valid 000000.jpg"
    (test,) = open_dataset("appa_real_test", tmp_path).pictures()
    assert (test.key, test.label.sigma) == ("test/000000.jpg_face.jpg", 9.25)


def test_a_part_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    part(tmp_path, "train", [("5.0", "0.7071")])
    with pytest.raises(TrainingError, match=r"gt_avg_valid\.csv cannot be read \(No such file or directory\)$"):
        open_dataset("appa_real", tmp_path)
