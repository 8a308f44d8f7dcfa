"""`headcount-train evaluate`, as a user calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from tests.training.albums import encoded, picture, write_table, write_zip
from tests.training.onnx_models import write_model
from training.commands import evaluate as command
from training.errors import TrainingError
from training.evaluation.report import load_report

if TYPE_CHECKING:
    from pathlib import Path

APP = typer.Typer()
APP.command()(command.evaluate)
COUNT = 40


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a data set of 40 pictures, and a model."""
    monkeypatch.setenv("HEADCOUNT_DETECTOR", "mtcnn")  # the one that comes with the product
    rows = [(f"{number}.png", 25, ("male", "female")[number % 2], "Asian") for number in range(COUNT)]
    write_table(tmp_path / "data" / "utkface" / "labels.csv", ("file", "age", "gender", "race"), rows)
    pictures = {f"{number}.png": encoded(picture(number, 64, (20, 20, 40, 40))) for number in range(COUNT)}
    write_zip(tmp_path / "data" / "utkface" / "1.zip", pictures)
    write_model(tmp_path / "model.onnx")
    return tmp_path


def called(root: Path, *options: str) -> str:
    arguments = [str(root / "model.onnx"), "utkface", "--data", str(root / "data"), "--training-dir", str(root / "kept"), *options]
    outcome = CliRunner().invoke(APP, arguments, catch_exceptions=False, env={"COLUMNS": "120"})
    assert outcome.exit_code == 0
    return outcome.stdout


def test_it_prints_and_writes_what_was_found(root: Path) -> None:
    said = called(root, "--part", "all", "--out", str(root / "out"), "--sizes", "112,48", "--temperature", "1,2")
    found = load_report(root / "out" / "evaluation.json")
    assert (found.model, found.dataset, found.part, found.overall.n) == ("model", "utkface", "all", COUNT)
    assert [each.name for each in found.by_size] == ["112", "48"]
    assert found.calibrations["gender"].temperature == 2
    assert f"{100 * found.overall.figures['gender_accuracy'].value:.1f}%" in said
    assert "not estimated by this model" in said
    assert str(root / "out" / "evaluation.md") in said.replace("\n", "")


def test_the_validation_part_is_the_one_that_the_split_sets_aside(root: Path) -> None:
    called(root, "--out", str(root / "out"))
    found = load_report(root / "out" / "evaluation.json")
    assert found.part == "validation"
    assert 0 < found.overall.n < COUNT / 4


@pytest.mark.parametrize("sizes", ["", "112,", "big", "112,7", "113", "64,64", "-5", "48.5"])
def test_sizes_that_are_none(sizes: str) -> None:
    with pytest.raises(TrainingError, match="--sizes: expected different sizes of 8 to 112 pixels"):
        command.parse_sizes(sizes)


@pytest.mark.parametrize("temperature", ["", "hot", "0", "-1", "nan", "1,2,3", "1,", "11"])
def test_temperatures_that_are_none(temperature: str) -> None:
    with pytest.raises(TrainingError, match="--temperature: expected auto, or one or two numbers"):
        command.parse_temperatures(temperature)


def test_one_temperature_is_of_both_heads() -> None:
    found = command.parse_temperatures("1.5")
    assert (found.age, found.gender) == (1.5, 1.5)
