"""The loop learns, resumes to the same weights, and says in one line what is wrong."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tests.training.drawn import drawn_faces
from training import checkpoint
from training.batches import loader
from training.errors import TrainingError
from training.loop import LOG, Training, trained
from training.recipe import Recipe, Stage, load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from training.loop import Epoch

TRAIN, VALIDATION = drawn_faces(300, seed=1), drawn_faces(120, seed=2)


class Ended(Exception):  # noqa: N818 - no error: Ctrl-C, as it were
    """Somebody ends a training."""


class Watcher:
    """Keeps what it is told; ends the training after so many epochs."""

    def __init__(self, end_after: int = 100) -> None:
        self.epochs: list[Epoch] = []
        self.steps = 0
        self._end_after = end_after

    def began(self, done: int, steps: int) -> None:
        self.total = (done, steps)

    def stepped(self, loss: float) -> None:
        assert np.isfinite(loss)
        self.steps += 1

    def finished(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if len(self.epochs) == self._end_after:
            raise Ended


def a_recipe(epochs: int = 2, **changes: object) -> Recipe:
    smoke = load_recipe("smoke")
    stages = [Stage(side_px=32, epochs=epochs - 1), Stage(side_px=48, epochs=1)]
    return smoke.model_copy(update={"stages": stages, **changes})


def training(recipe: Recipe, folder: Path) -> Training:
    torch.set_num_threads(1)
    return Training(recipe, folder, train=TRAIN, validation=VALIDATION)


def weights(folder: Path, recipe: Recipe) -> dict[str, torch.Tensor]:
    return trained(recipe, folder).network.state_dict()


def test_it_learns_what_can_be_learnt(tmp_path: Path) -> None:
    recipe, watcher = a_recipe(12), Watcher()
    training(recipe, tmp_path).run(watcher, workers=0)
    last = watcher.epochs[-1]
    assert (last.check.gender or 0) > 0.9
    assert (last.check.one_off or 0) > 0.6
    assert watcher.epochs[-1].losses["age"] < watcher.epochs[0].losses["age"] - 0.3
    assert watcher.total == (0, 12 * (300 // 32))
    assert watcher.steps == watcher.total[1]
    logged = [json.loads(line) for line in (tmp_path / LOG).read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in logged] == list(range(1, 13))
    assert [line["side_px"] for line in logged][-2:] == [32, 48]


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    recipe = a_recipe(3, options={"widths": [16, 32], "blocks": [1, 1], "stem": 16, "dropout": 0.3})
    training(recipe, tmp_path / "whole").run(Watcher(), workers=0)
    with pytest.raises(Ended):
        training(recipe, tmp_path / "parts").run(Watcher(end_after=1), workers=0)
    second = training(recipe, tmp_path / "parts")
    assert second.resume() == 1
    watcher = Watcher()
    second.run(watcher, workers=1)  # made by another process, the batches are the same
    assert watcher.total == (9, 27)
    whole, parts = (weights(tmp_path / name, recipe) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_learnt_from_mixtures_is_right_of_faces_as_they_are(tmp_path: Path) -> None:
    recipe = a_recipe(6, mix=0.5)
    assert {batch.share < 1 for batch in loader(TRAIN, recipe, 0, workers=0)} == {True}
    assert {batch.share for batch in loader(TRAIN, a_recipe(6), 0, workers=0)} == {1.0}
    watcher = Watcher()
    training(recipe, tmp_path).run(watcher, workers=0)
    assert watcher.epochs[-1].check.gender is not None
    assert watcher.epochs[-1].check.gender > 0.9


def test_a_finished_training_does_nothing_more(tmp_path: Path) -> None:
    recipe = a_recipe(2)
    training(recipe, tmp_path).run(Watcher(), workers=0)
    again = training(recipe, tmp_path)
    assert again.resume() == 2
    watcher = Watcher()
    again.run(watcher, workers=0)
    assert watcher.epochs == []


@pytest.mark.parametrize("change", [{"seed": 5}, {"batch": 16}, {"options": {"widths": [16, 16], "blocks": [1, 1]}}])
def test_the_checkpoint_of_another_recipe_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    training(a_recipe(2), tmp_path).run(Watcher(), workers=0)
    with pytest.raises(TrainingError, match="holds another training"):
        training(a_recipe(2, **change), tmp_path).resume()


def test_weights_are_those_of_the_recipe_by_which_they_were_trained(tmp_path: Path) -> None:
    recipe = a_recipe(2)
    training(recipe, tmp_path).run(Watcher(), workers=0)
    found = trained(recipe.model_copy(update={"summary": "Other words.", "failures": ["masks"]}), tmp_path)
    assert (found.epochs, found.cpu_hours > 0) == (2, True)
    for change in ({"data": ["fairface_val"]}, {"seed": 5}, {"options": {"widths": [16], "blocks": [1]}}):
        with pytest.raises(TrainingError, match="holds the training of another recipe than smoke is now"):
            trained(recipe.model_copy(update=change), tmp_path)


def test_the_processes_that_make_batches_count_too(tmp_path: Path) -> None:
    watcher, before = Watcher(), os.times()
    training(a_recipe(2), tmp_path).run(watcher, workers=1)
    after = os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    own = after.user + after.system - before.user - before.system
    assert children > 0.1
    assert watcher.epochs[-1].cpu_s == pytest.approx(own + children, abs=0.6 * children)


def test_two_do_not_train_in_one_folder(tmp_path: Path) -> None:
    complaint = pytest.raises(TrainingError, match="one: another process is training there")
    with checkpoint.alone(tmp_path / "one"), checkpoint.alone(tmp_path / "other"), complaint, checkpoint.alone(tmp_path / "one"):
        pass
    with checkpoint.alone(tmp_path / "one"):
        pass


def test_one_training_starts_from_another(tmp_path: Path) -> None:
    first = a_recipe(2)
    training(first, tmp_path / "first").run(Watcher(), workers=0)
    second = training(a_recipe(2, start="first"), tmp_path / "second")
    second.start_from(tmp_path / "first")
    begun = second.network.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in weights(tmp_path / "first", first).items())
    with pytest.raises(TrainingError, match="no training to start from"):
        second.start_from(tmp_path / "nowhere")
    other = training(a_recipe(2, options={"widths": [16], "blocks": [1]}), tmp_path / "third")
    with pytest.raises(TrainingError, match="another network"):
        other.start_from(tmp_path / "first")


@pytest.mark.parametrize("mix", [0.0, 0.01], ids=["alone", "each other's"])
def test_what_another_network_says_can_be_learnt_without_any_label(tmp_path: Path, mix: float) -> None:
    """So small a `mix` makes half of the batches those of their counterparts, whose answers they need."""
    first, watcher = a_recipe(12), Watcher()
    training(first, tmp_path / "first").run(watcher, workers=0)
    count = len(TRAIN)
    blank = replace(TRAIN, gender=np.full(count, -1), age_low=np.zeros(count, np.int64), age_high=np.full(count, 100))
    second = Training(a_recipe(12, start="first", teach=1.0, mix=mix), tmp_path / "second", train=blank, validation=VALIDATION)
    second.start_from(tmp_path / "first")
    asked: list[int] = []
    second.be_taught(asked.append)
    assert sum(asked) == count
    second.network.load_state_dict(training(first, tmp_path / "new").network.state_dict())  # all is forgotten
    learning = Watcher()
    second.run(learning, workers=0)
    assert learning.epochs[-1].losses["age"] == learning.epochs[-1].losses["gender"] == 0
    far = [epoch.losses["taught"] for epoch in learning.epochs]
    assert min(far) < far[0] / 4
    assert (learning.epochs[-1].check.gender or 0) > 0.9


def test_labels_and_what_is_taught_share_the_loss(tmp_path: Path) -> None:
    recipe = a_recipe(2)
    training(recipe, tmp_path / "first").run(Watcher(), workers=0)
    parts = {}
    for teach in (0.25, 0.75):
        second = training(a_recipe(2, start="first", teach=teach), tmp_path / str(teach))
        second.start_from(tmp_path / "first")
        second.be_taught()
        watcher = Watcher(end_after=1)
        with pytest.raises(Ended):
            second.run(watcher, workers=0)
        parts[teach] = watcher.epochs[0].losses
    assert set(parts[0.25]) == {"age", "gender", "taught"}
    assert parts[0.25]["age"] / parts[0.75]["age"] == pytest.approx(3, rel=0.2)
    assert parts[0.75]["taught"] / parts[0.25]["taught"] == pytest.approx(3, rel=0.5)


def test_a_pupil_whose_teacher_was_not_asked_does_not_learn_from_labels_alone(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="smoke is to be taught, and first was not asked"):
        training(a_recipe(2, start="first", teach=0.5), tmp_path).run(Watcher(), workers=0)


def test_answers_about_faces_in_another_order_are_not_taken_for_those_about_these(tmp_path: Path) -> None:
    training(a_recipe(2), tmp_path / "first").run(Watcher(), workers=0)
    recipe = a_recipe(3, start="first", teach=0.5)
    pupil = training(recipe, tmp_path / "pupil")
    pupil.start_from(tmp_path / "first")
    pupil.be_taught()
    with suppress(Ended):
        pupil.run(Watcher(end_after=1), workers=0)
    assert training(recipe, tmp_path / "pupil").resume() == 1
    reordered = Training(recipe, tmp_path / "pupil", train=TRAIN.take(np.arange(len(TRAIN))[::-1]), validation=VALIDATION)
    with pytest.raises(TrainingError, match="its recipe or its faces differ"):
        reordered.resume()


def test_a_checkpoint_from_before_anybody_was_taught_goes_on(tmp_path: Path) -> None:
    recipe = a_recipe(2)
    training(recipe, tmp_path).run(Watcher(), workers=0)
    assert "teach" not in recipe.identity()
    state = checkpoint.load(tmp_path)
    assert state is not None
    checkpoint.save(tmp_path, {name: part for name, part in state.items() if name not in {"taught", "faces"}})
    assert training(recipe, tmp_path).resume() == 2


def test_an_interrupted_pupil_remembers_what_it_was_told(tmp_path: Path) -> None:
    training(a_recipe(2), tmp_path / "first").run(Watcher(), workers=0)
    recipe = a_recipe(3, start="first", teach=0.5, mix=0.2)
    for name, end_after in (("whole", 100), ("parts", 1)):
        pupil = training(recipe, tmp_path / name)
        pupil.start_from(tmp_path / "first")
        pupil.be_taught()
        with suppress(Ended):
            pupil.run(Watcher(end_after), workers=0)
    second = training(recipe, tmp_path / "parts")
    assert second.resume() == 1
    second.run(Watcher(), workers=1)
    whole, parts = (weights(tmp_path / name, recipe) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    (tmp_path / checkpoint.NAME).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TrainingError, match="is no checkpoint"):
        training(a_recipe(2), tmp_path).resume()


def test_a_checkpoint_that_is_written_half_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"epoch": 1})
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, {"epoch": (number for number in range(1))})
    assert checkpoint.load(tmp_path) == {"epoch": 1}


def test_too_few_faces_and_a_loss_that_is_no_number_are_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="10 faces do not fill one batch of 32"):
        Training(a_recipe(2), tmp_path, train=TRAIN.take(np.arange(10)), validation=VALIDATION)
    wild = a_recipe(2).optimizer.model_copy(update={"matrix_rate": 1e30, "rate": 1e30, "warmup_steps": 0})
    with pytest.raises(TrainingError, match="the loss is no number after"):
        training(a_recipe(2, optimizer=wild), tmp_path).run(Watcher(), workers=0)


def test_what_is_not_labelled_is_not_judged(tmp_path: Path) -> None:
    count = len(VALIDATION)
    blank = replace(VALIDATION, gender=np.full(count, -1), age_low=np.zeros(count, np.int64), age_high=np.full(count, 100))
    watcher = Watcher()
    Training(a_recipe(2), tmp_path, train=replace(TRAIN, gender=np.full(len(TRAIN), -1)), validation=blank).run(watcher, workers=0)
    found = watcher.epochs[-1].check
    assert (found.bands, found.one_off, found.gender, found.mae) == (None, None, None, None)
    assert watcher.epochs[-1].losses["gender"] == 0
