"""The wheel carries what the installed program needs, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import onnx
import pytest

from pipeline.adapters.model_config import models
from tests.triton_models import newest_version

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "services", "training")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    (wheel,) = folder.glob("headcount-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def files(folder: Path) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_migrations_are_inside_whole(names: set[str]) -> None:
    assert {f"pipeline/_resources/{name}" for name in files(ROOT / "migrations")} <= names


@pytest.mark.parametrize("model", models(ROOT / "triton_models"))
def test_models_are_inside_whole_but_for_those_that_are_for_research_only(names: set[str], model: str) -> None:
    folder = ROOT / "triton_models" / model
    inside = {f"pipeline/_resources/{name}" for name in files(folder)}
    assert inside
    notes = onnx.load(folder / str(newest_version(model)) / "model.onnx").metadata_props
    (licence,) = {note.value for note in notes if note.key == "licence"}
    assert (inside & names) == (set() if "research only" in licence else inside)


def test_what_the_wheel_leaves_out_the_sources_leave_out_too(names: set[str], tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)], check=True, cwd=ROOT, capture_output=True
    )
    (archive,) = tmp_path.glob("headcount-*.tar.gz")
    with tarfile.open(archive) as sources:
        there = {Path(name).parts[2] for name in sources.getnames() if Path(name).match("headcount-*/triton_models/*/CARD.md")}
    assert there == {Path(name).parts[3] for name in names if Path(name).match("pipeline/_resources/triton_models/*/CARD.md")}
    assert "face_attributes" in there


@pytest.mark.parametrize("name", ["pom.xml", "triton.lock", "backends/onnxruntime/model.py"])
def test_what_the_stack_is_fetched_and_laid_out_by_is_inside(names: set[str], name: str) -> None:
    assert f"services/stack/{name}" in names


def test_every_module_is_inside_and_typed(names: set[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules | {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_recipes_are_inside(names: set[str]) -> None:
    recipes = {path.relative_to(ROOT).as_posix() for path in (ROOT / "training/recipes").glob("*.toml")}
    assert recipes
    assert recipes <= names


def test_licences_are_inside_and_tests_are_not(names: set[str]) -> None:
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names}
    assert not [name for name in names if name.startswith("tests/") or "__pycache__" in name]
