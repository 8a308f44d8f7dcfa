"""From 200 labelled pictures to a model that the product loads, by the commands that a user types."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from tests.training.drawn import band_of, draw
from training.comparison import BEGIN, END
from training.loop import LOG

SHARED = Path(__file__).parents[3] / "shared" / "data"
RECIPES = Path(__file__).parents[2] / "training" / "recipes"
GENDERS = ("female", "male")


def write_drawn(folder: Path, count: int) -> None:
    """Write drawn faces as FairFace's folder."""
    folder.mkdir(parents=True)
    dice = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(("file", "age_group", "gender", "race"))
        for number in range(count):
            gender, age = int(dice.integers(0, 2)), int(dice.integers(0, 90))
            low, high = band_of(age)
            rows.writerow((f"{number}.png", f"{low}-{high}" if high < 100 else "70+", GENDERS[gender], "White"))
            cv2.imwrite(str(folder / f"{number}.png"), draw(gender, age, dice, side=176)[..., ::-1])


def write_real(folder: Path, count: int) -> None:
    """Put a part of the real table beside the real pictures."""
    folder.mkdir(parents=True)
    source = SHARED / "fairface"
    lines = (source / "labels.csv").read_text(encoding="utf-8").splitlines()[: count + 1]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for archive in source.glob("*.zip"):
        (folder / archive.name).symlink_to(archive)


@pytest.fixture(params=[write_drawn, write_real], ids=["drawn", "real"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param is write_real and not SHARED.exists():
        pytest.skip("FairFace is not beside this repository (../shared/data)")
    request.param(tmp_path / "data" / "fairface", 200)
    return tmp_path / "data"


def command(folder: Path, *words: str, code: int = 0) -> str:
    """Run headcount-train in a folder; return what it said."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    call = [sys.executable, "-c", "from training.cli import main; main()", *words]
    ended = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def children_s() -> float:
    """Return the processor time of all commands so far."""
    return os.times().children_user + os.times().children_system


@pytest.mark.timeout(1000)
def test_pictures_become_a_model_that_is_served_and_measured(data: Path) -> None:
    folder, began_s = data.parent, children_s()
    said = command(folder, "train", "smoke", "--data", "data", "--workers", "0")
    assert "0 of 3 epochs are done" in said
    assert "epoch 3 of 3, 48 px: bands" in said
    assert len((folder / "out" / "training" / "smoke" / LOG).read_text(encoding="utf-8").splitlines()) == 3
    repository = folder / "triton_models"
    assert "triton_models/smoke/1/model.onnx" in command(folder, "export", "smoke")
    assert "triton_models/smoke/CARD.md; next" in command(folder, "release", "smoke")
    assert sorted(path.name for path in repository.iterdir()) == ["smoke"]
    made = (repository / "smoke" / "CARD.md").read_text("utf-8")
    (repository / "smoke" / "CARD.md").unlink()
    assert "triton_models/smoke/CARD.md" in command(folder, "card", "smoke")
    assert (repository / "smoke" / "CARD.md").read_text("utf-8") == made
    (repository / "README.md").write_text(f"{BEGIN}\n{END}\n", "utf-8")
    command(folder, "compare")
    assert "| [`smoke`](smoke/CARD.md) |" in (repository / "README.md").read_text("utf-8")
    session = onnxruntime.InferenceSession(str(repository / "smoke" / "2" / "model.onnx"), providers=["CPUExecutionProvider"])
    ages, genders = session.run(["age_probs", "gender_probs"], {"face": np.zeros((3, 112, 112, 3), np.uint8)})
    assert (ages.shape, genders.shape) == ((3, 101), (3, 2))
    said = command(folder, "evaluate", "triton_models/smoke", "fairface", "--part", "all", "--sizes", "112,32", "--out", "evaluation")
    assert "gender" in said
    assert {path.suffix for path in (folder / "evaluation").iterdir()} >= {".json", ".md", ".png"}
    assert children_s() - began_s < 120, "two minutes where the machine has nothing else to do"


@pytest.mark.timeout(300)
def test_what_a_recipe_starts_from_is_trained_first_and_only_once(tmp_path: Path) -> None:
    write_drawn(tmp_path / "data" / "fairface", 200)
    smoke = (RECIPES / "smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "more.toml").write_text(f'start = "smoke"\nteach = 0.5\n{smoke.replace("epochs = 2", "epochs = 1")}', encoding="utf-8")
    said = command(tmp_path, "train", "more.toml", "--workers", "0")
    assert said.index("smoke: ") < said.index("epoch 3 of 3, 48 px") < said.index("more: ") < said.index("epoch 2 of 2, 48 px")
    logs = [json.loads((tmp_path / "out" / "training" / name / LOG).read_text("utf-8").splitlines()[-1]) for name in ("smoke", "more")]
    assert logs[1]["cpu_s"] > logs[0]["cpu_s"], "the processor time of both is counted"
    assert set(logs[1]["losses"]) == {"age", "gender", "taught"}
    again = command(tmp_path, "train", "more.toml", "--workers", "0")
    assert "more: " in again
    assert "2 of 2 epochs are done" in again
    assert "smoke: " not in again


def test_of_what_is_not_served_nothing_is_released(tmp_path: Path) -> None:
    assert command(tmp_path, "release", "identity") == "recipe identity names no model: nothing to release\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train", "nonsense"], "there is no recipe nonsense"),
        (["train", "smoke", "--data", "nowhere"], "there is no folder nowhere/fairface with fairface in it"),
        (["train", "smoke", "--device", "cuda"], "torch sees no GPU here"),
        (["export", "smoke"], "holds no training; train smoke first"),
        (["train"], "Missing argument 'RECIPE'"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: list[str], complaint: str) -> None:
    said = command(tmp_path, *words, code=2)
    assert complaint in said
    assert len(said.splitlines()) == 1
