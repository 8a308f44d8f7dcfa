"""`headcount-train prepare`, as a user calls it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from tests.training.albums import encoded, picture, write_table, write_zip
from tests.training.drawn import drawn_faces
from training.aligned import prepare
from training.commands import prepare as command
from training.datasets import open_dataset
from training.faces import UNKNOWN_GENDER
from training.preparation import split_table
from training.split import Split, split

if TYPE_CHECKING:
    from pathlib import Path

APP = typer.Typer()
APP.command()(command.prepare)
AGES = (5, 25)
COUNT = 64


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with 64 pictures in two ages, of which none is found, and 25 that are missing."""
    monkeypatch.setenv("HEADCOUNT_DETECTOR", "mtcnn")  # the one that comes with the product
    rows = [(f"{number}.png", AGES[number % 2], "male", "Asian") for number in range(COUNT + 25)]
    write_table(tmp_path / "in" / "labels.csv", ("file", "age", "gender", "race"), rows)
    write_zip(tmp_path / "in" / "1.zip", {f"{number}.png": encoded(picture(number, 64, (20, 20, 40, 40))) for number in range(COUNT)})
    return tmp_path


def called(root: Path, *options: str) -> str:
    arguments = ["utkface", str(root / "in"), "--training-dir", str(root / "out"), *options]
    outcome = CliRunner().invoke(APP, arguments, catch_exceptions=False, env={"COLUMNS": "120"})
    assert outcome.exit_code == 0
    return outcome.stdout


def test_it_says_what_is_in_a_data_set_and_how_it_is_split(root: Path) -> None:
    said = called(root)
    rows = {re.split(r"\s{2,}", line.strip())[0]: re.split(r"\s{2,}", line.strip())[1:] for line in said.splitlines() if line.strip()}
    assert rows["licence"] == ["non-commercial research only"]
    assert rows["faces"] == [str(COUNT)]
    assert rows["found by the detector"] == ["0.0%"]
    assert rows["left out: file is missing"] == ["25"]
    assert said.count(": file is missing\n") == 20
    assert "and 5 more; --all-names names them" in said

    faces = prepare(open_dataset("utkface", root / "in"), root / "out" / "aligned", Console(quiet=True)).faces
    parts = split(faces)
    assert rows["all"] == [str(len(part)) for part in (parts.train, parts.validation, parts.dropped)]
    by_age = {name: [int((faces.age_low[part] == age).sum()) for part in (parts.train, parts.validation, parts.dropped)]
              for name, age in (("3-9 years", 5), ("20-29 years", 25))}  # fmt: skip
    assert {name: list(map(int, rows[name])) for name in by_age} == by_age
    assert parts.digest(faces) in said


def test_ages_and_genders_that_are_not_known_have_rows_of_their_own() -> None:
    drawn = drawn_faces(30)
    unknown = np.arange(30) < 12
    faces = replace(
        drawn,
        age_low=np.where(unknown, 0, drawn.age_low),
        age_high=np.where(unknown, 100, drawn.age_high),
        gender=np.where(unknown, UNKNOWN_GENDER, drawn.gender),
    )
    table = split_table(faces, Split(train=np.arange(20), validation=np.arange(20, 30), dropped=np.arange(0)))
    names, train, validation, dropped = ([*column.cells] for column in table.columns)
    shown = dict(zip(names, zip(train, validation, dropped, strict=True), strict=True))
    assert shown["age not known"] == shown["gender not known"] == ("12", "0", "0")
    years = [row for name, row in shown.items() if str(name).endswith(" years")]
    assert [sum(int(str(cell)) for cell in column) for column in zip(*years, strict=True)] == [8, 10, 0]


def test_all_names_are_named_where_they_are_asked_for(root: Path) -> None:
    said = called(root, "--all-names")
    assert said.count(": file is missing\n") == 25
    assert "more;" not in said
