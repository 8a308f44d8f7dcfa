"""What stands beside an exported network, and `headcount-train export`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pipeline.adapters.onnx import OnnxClassifier
from pipeline.errors import ConfigurationError
from pipeline.resources import resource
from training.cli import app
from training.errors import TrainingError
from training.model_folder import complete, newest_version, version_file

if TYPE_CHECKING:
    from pathlib import Path

COMMITTED = resource("triton_models") / "face_attributes"
BESIDE = ["config.pbtxt", "configs/cpu.pbtxt", "golden.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder that holds a network and nothing else."""
    network = version_file(COMMITTED, newest_version(COMMITTED))
    folder = tmp_path / "triton_models" / "face_attributes"
    version_file(folder, 1).parent.mkdir(parents=True)
    shutil.copyfile(network, version_file(folder, 1))
    return folder


def test_what_stands_beside_a_network_is_what_is_committed(folder: Path) -> None:
    complete(folder)
    for name in BESIDE:
        assert (folder / name).read_bytes() == (COMMITTED / name).read_bytes(), name
    assert OnnxClassifier(folder.parent, folder.name).name == "face_attributes:1/tight-1"


def test_a_model_of_another_name_says_so(folder: Path) -> None:
    folder = folder.rename(folder.with_name("dex"))
    complete(folder)
    assert 'name: "dex"' in (folder / "config.pbtxt").read_text("utf-8")
    assert OnnxClassifier(folder.parent, "dex").name == "dex:1/tight-1"


def test_the_golden_answer_is_the_newest_versions(folder: Path) -> None:
    complete(folder)
    before = (folder / "golden.json").read_text("utf-8")
    research = resource("triton_models") / "face_attributes_research"
    version_file(folder, 10).parent.mkdir()
    shutil.copyfile(version_file(research, newest_version(research)), version_file(folder, 10))
    with pytest.raises(ConfigurationError, match="fails its self-test"):
        OnnxClassifier(folder.parent, folder.name)
    complete(folder)
    assert (folder / "golden.json").read_text("utf-8") != before
    assert OnnxClassifier(folder.parent, folder.name).name == "face_attributes:10/tight-1"


def test_a_network_that_breaks_the_contract_is_refused(folder: Path) -> None:
    version_file(folder, 1).write_bytes(b"no network")
    with pytest.raises(TrainingError, match="is no network of the contract"):
        complete(folder)


def test_a_folder_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no network; export one first"):
        complete(tmp_path)


def test_a_recipe_that_was_not_trained_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "default", "--training-dir", str(tmp_path), "--repository", str(tmp_path)])
    assert isinstance(result.exception, TrainingError)
    assert str(result.exception) == f"{tmp_path / 'default'} holds no training; train default first"
    assert not list(tmp_path.iterdir())
