"""A network that tells people of a closed set: looked at in each epoch, exported for its figures alone, never served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from typer.testing import CliRunner

from tests.training.painted import labelled, paint
from training.cli import app
from training.evaluation.model import open_model
from training.evaluation.run import Subject, evaluate
from training.loop import LOG, Training
from training.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from training.loop import Epoch

COUNT = 120
RECIPE = """
summary = "Two people and nobody of them."
network = "identity"
options = { people = 2, width = 0.25 }
model = ""
data = ["people"]
licence = "the operator's own"
batch = 16
stages = [{ side_px = 32, epochs = 1 }]
"""


class Quiet:
    """Keeps the last epoch."""

    def began(self, done: int, steps: int) -> None:
        pass

    def stepped(self, loss: float) -> None:
        pass

    def finished(self, epoch: Epoch) -> None:
        self.last = epoch


def test_people_are_learnt_looked_at_exported_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    person = np.arange(COUNT) % 3
    faces = labelled(paint((80 * person).tolist(), [9] * COUNT), person=person)
    (tmp_path / "mine.toml").write_text(RECIPE, "utf-8")
    folder, watcher = tmp_path / "out" / "training" / "mine", Quiet()
    Training(load_recipe("mine.toml"), folder, train=faces, validation=faces).run(watcher, workers=0)
    assert watcher.last.check.person is not None
    assert watcher.last.check.bands is None
    assert '"person": ' in (folder / LOG).read_text("utf-8")
    exported = CliRunner().invoke(app, ["export", "mine.toml"], catch_exceptions=False)
    assert "out/training/mine/model.onnx: not served; next: headcount-train evaluate" in exported.output
    assert not (tmp_path / "triton_models").exists()
    report = evaluate(open_model(folder / "model.onnx"), Subject(faces=faces, dataset="people", part="all"), sizes_px=(112,))
    assert np.array(report.overall.confusions["people"].counts).sum(axis=1).tolist() == [COUNT / 3] * 3
    assert all(figure is not None for figure in report.overall.confusions["people"].recall)
