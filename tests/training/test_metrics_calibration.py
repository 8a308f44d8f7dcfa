"""Calibration: what is calibrated is found to be, and what is not is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.calibration import BINS, calibration, calibration_error, fit_temperature, reliability
from training.evaluation.estimates import tempered
from training.evaluation.intervals import Resamples
from training.evaluation.tasks import Task

if TYPE_CHECKING:
    from pipeline.types import Float32

COUNT = 4000


def sample(temperature: float = 1.0, seed: int = 0) -> Task:
    """Return faces whose classes are drawn from the probabilities, before those are sharpened: 2 means twice too sure."""
    dice = np.random.default_rng(seed)
    logits = dice.normal(0, 1.5, (COUNT, 3))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (dice.random((COUNT, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    sharp = tempered(probs.astype(np.float32), 1 / temperature)
    return Task(name="gender", classes=("a", "b", "c"), starts=(0, 1, 2), truth=truth, head=sharp)


def test_probabilities_that_are_right_show_only_the_error_of_chance() -> None:
    found = reliability(sample(), Resamples(COUNT))
    assert found.ece.value < 1.5 * found.ece_by_chance < 0.03
    assert fit_temperature(sample()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_mends_what_is_too_sure_or_not_sure_enough(temperature: float) -> None:
    found = calibration(sample(temperature), Resamples(COUNT), None)
    assert found.fitted
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    assert found.before.ece.value > 4 * found.after.ece.value
    assert found.before.nll.value > found.after.nll.value


def test_a_given_temperature_is_used_as_it_is() -> None:
    found = calibration(sample(2.0), Resamples(COUNT), 1.0)
    assert not found.fitted
    assert found.temperature == 1
    assert found.before == found.after


def test_the_error_by_hand() -> None:
    """Of 40 faces at 0.9, half are right, and of 40 at 0.62, all: (40 x 0.4 + 40 x 0.38) / 80."""
    confidence = np.repeat([0.9, 0.62], 40)
    head = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    truth = np.concatenate([np.tile([0, 1], 20), np.zeros(40, np.int64)])
    task = Task(name="gender", classes=("female", "male"), starts=(0, 1), truth=truth, head=head)
    found = reliability(task, Resamples(80))
    assert found.ece.value == pytest.approx(0.39, abs=1e-5)
    assert found.nll.value == pytest.approx(-np.log([0.9, 0.1, 0.62, 0.62]).mean(), abs=1e-5)
    assert [(each.n, each.confidence, each.accuracy) for each in found.bins] == [(40, 0.62, 1), (40, 0.9, 0.5)]
    assert all(each.low <= each.confidence <= each.high for each in found.bins)


def test_faces_of_unknown_class_do_not_count() -> None:
    task = sample(2.0)
    hidden = np.append(task.truth, np.full(1000, -1))
    more = Task(name="gender", classes=task.classes, starts=task.starts, truth=hidden, head=np.concatenate([task.head, task.head[:1000]]))
    assert calibration_error(more, Resamples(COUNT + 1000)).value == calibration_error(task, Resamples(COUNT)).value
    assert calibration_error(more, Resamples(COUNT + 1000)).n == COUNT
    assert fit_temperature(more) == fit_temperature(task)


@settings(max_examples=20)
@given(st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=2), min_size=30, max_size=60), st.floats(0.2, 5))
def test_a_temperature_leaves_a_distribution_with_the_same_order(rows: list[list[float]], temperature: float) -> None:
    probs = distribution(rows)
    other = tempered(probs, temperature)
    np.testing.assert_allclose(other.sum(axis=1), 1, atol=1e-5)
    assert ((other[:, 0] >= other[:, 1]) | (probs[:, 0] <= probs[:, 1])).all()
    np.testing.assert_allclose(tempered(probs, 1.0), probs, atol=1e-6)


@settings(max_examples=20)
@given(st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=2), min_size=30, max_size=60))
def test_bins_hold_every_face_once(rows: list[list[float]]) -> None:
    probs = distribution(rows)
    truth = np.arange(len(probs)) % 2
    task = Task(name="gender", classes=("female", "male"), starts=(0, 1), truth=truth, head=probs)
    found = reliability(task, Resamples(len(probs)))
    assert sum(each.n for each in found.bins) == len(probs)
    assert len(found.bins) <= BINS / 2 + 1  # the likelier of two has at least one half
    right = sum(each.n * each.accuracy for each in found.bins)
    assert right == pytest.approx((probs.argmax(axis=1) == truth).sum(), abs=0.01)
    assert 0 <= found.ece.low <= found.ece.value <= found.ece.high <= 1


def distribution(rows: list[list[float]]) -> Float32:
    weights = np.array(rows) + 1e-3
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
