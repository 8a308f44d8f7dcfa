"""Models are opened as the product opens them; what breaks the contract is told in one line."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from pipeline.resources import resource
from tests.training.onnx_models import EVEN_AGES, write_model
from tests.training.painted import labelled, paint
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.run import Subject, evaluate
from training.evaluation.tables import grids
from training.export import export
from training.networks import open_network

if TYPE_CHECKING:
    from pathlib import Path

MODEL = resource("triton_models") / "face_attributes"


def test_a_folder_is_opened_in_its_newest_version(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL, tmp_path / MODEL.name)
    newest = max(int(path.name) for path in MODEL.iterdir() if path.name.isdecimal())
    shutil.copytree(folder / str(newest), folder / str(newest + 1))
    model = open_model(folder)
    assert model.name == f"face_attributes:{newest + 1}/tight-1"
    assert model.sha256 == hashlib.sha256((folder / str(newest) / "model.onnx").read_bytes()).hexdigest()


def test_a_file_answers_like_its_folder(tmp_path: Path) -> None:
    newest = max(int(path.name) for path in MODEL.iterdir() if path.name.isdecimal())
    file = tmp_path / "mine.onnx"
    shutil.copy(MODEL / str(newest) / "model.onnx", file)
    crops = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3)).astype(np.uint8)
    assert open_model(file).name == "mine"
    np.testing.assert_array_equal(open_model(file).estimate(crops).age_probs, open_model(MODEL).estimate(crops).age_probs)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"age": np.full(101, np.nan)}, "age_probs holds NaN or infinity"),
        ({"age": 2 * EVEN_AGES}, "age_probs holds rows that are no distribution"),
        ({"gender": [1.5, -0.5]}, "gender_probs holds rows that are no distribution"),
        ({"age": np.full(100, 0.01), "ages": 101}, "age_probs has the shape (2, 100) where (2, 101) is expected"),
    ],
)
def test_an_answer_that_breaks_the_contract(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    model = open_model(write_model(tmp_path / "bad.onnx", **options))
    with pytest.raises(TrainingError, match=re.escape(f"the model bad breaks the contract in triton_models/README.md: {told}")):
        model.estimate(np.zeros((2, 112, 112, 3), np.uint8))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"side": 64}, "has other inputs than the contract in triton_models/README.md: face uint8 [None, 64, 64, 3]"),
        ({"age": np.full(100, 0.01), "ages": 100}, "has other outputs than the contract in triton_models/README.md: age_probs float32"),
    ],
)
def test_ports_that_break_the_contract(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingError, match=re.escape(told)):
        open_model(write_model(tmp_path / "bad.onnx", **options))


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for path, told in (
        (tmp_path / "text.onnx", "cannot be loaded: expected an ONNX file"),
        (tmp_path / "absent.onnx", "cannot be read: No such file"),
        (tmp_path, "is no model: it holds no config.pbtxt"),
    ):
        with pytest.raises(TrainingError, match=told):
            open_model(path)


def test_a_folder_that_would_not_be_served_is_not_evaluated(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL, tmp_path / MODEL.name)
    golden = folder / "golden.json"
    golden.write_text(json.dumps(json.loads(golden.read_text()) | {"age": 80}))
    with pytest.raises(TrainingError, match="fails its self-test"):
        open_model(folder)


def test_people_are_measured_of_what_is_exported(tmp_path: Path) -> None:
    """Nothing that serves takes such a file: the product and `open_model` of a folder want the contract's outputs alone."""
    export(open_network("identity", {"people": 2}), tmp_path / "mine.onnx")
    model = open_model(tmp_path / "mine.onnx")
    assert model.people == 2
    faces = labelled(paint([*range(60)], [*range(60)]), person=np.arange(60) % 3)
    report = evaluate(model, Subject(faces=faces, dataset="people", part="all"), sizes_px=(112, 32))
    assert report.overall.figures["people_accuracy"].n == 60
    assert np.array(report.overall.confusions["people"].counts).sum(axis=1).tolist() == [20, 20, 20]
    assert report.calibrations.keys() == {"people"}
    assert [grid.title for grid in grids(report)][-2:] == ["People: labelled (rows) and judged (columns)", "Calibration"]


@pytest.mark.parametrize(("notes", "told"), [({}, False), ({"age_temperature": "1.0"}, False), ({"gender_temperature": "0.87"}, True)])
def test_a_file_says_whether_it_was_tempered(tmp_path: Path, notes: dict[str, str], told: bool) -> None:  # noqa: FBT001
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load_model_from_string(path.read_bytes())
    onnx.helper.set_model_props(model, notes)
    path.write_bytes(model.SerializeToString())
    assert open_model(path).tempered == told
