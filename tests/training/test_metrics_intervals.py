"""The intervals are as wide as they should be, and hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.intervals import Resamples, figure, means, resamples_of


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(5, 3, 2000)
    found = means({"x": values}, Resamples(2000))["x"]
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.value == pytest.approx(values.mean(), abs=1e-5)
    assert found.value - found.low == pytest.approx(half, rel=0.1)
    assert found.high - found.value == pytest.approx(half, rel=0.1)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    dice, resamples = np.random.default_rng(2), Resamples(100)
    found = [means({"x": (dice.random(100) < 0.3).astype(float)}, resamples)["x"] for _ in range(300)]
    held = np.mean([each.low <= 0.3 <= each.high for each in found])
    assert 0.90 <= held <= 0.98


def test_a_ratio_is_drawn_with_its_denominator() -> None:
    """Half of the faces do not count: the interval is that of the other half, not of all."""
    dice = np.random.default_rng(3)
    values = dice.normal(0, 1, 2000)
    values[dice.random(2000) < 0.5] = np.nan
    found = means({"x": values}, Resamples(2000))["x"]
    assert found.n == np.isfinite(values).sum()
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / np.sqrt(found.n), rel=0.12)


@settings(max_examples=30)
@given(st.lists(st.floats(-1000, 1000), min_size=30, max_size=80))
def test_an_interval_holds_its_figure_and_stays_among_the_values(values: list[float]) -> None:
    found = means({"x": np.array(values)}, Resamples(len(values)))["x"]
    assert min(values) - 1e-4 <= found.low <= found.value <= found.high <= max(values) + 1e-4


def test_drawings_are_the_same_each_time_and_each_of_n_faces() -> None:
    values = np.random.default_rng(4).random((40, 2))
    np.testing.assert_array_equal(Resamples(40).sums(values), Resamples(40).sums(values))
    np.testing.assert_allclose(Resamples(40).sums(np.ones((40, 1))), 40)


def test_copies_of_a_face_are_drawn_together_and_make_no_interval_narrower() -> None:
    dice = np.random.default_rng(5)
    values, keys = dice.random(100), np.array([f"face {number:03}" for number in range(100)])
    once = means({"x": values}, resamples_of(keys))["x"]
    order = dice.permutation(500)
    copied = means({"x": np.tile(values, 5)[order]}, resamples_of(np.tile(keys, 5)[order]))["x"]
    assert (copied.value, copied.low, copied.high) == (once.value, once.low, once.high)
    assert (copied.n, once.n) == (500, 100)
    assert once == means({"x": values}, Resamples(100))["x"]


def test_many_crops_of_few_faces_have_no_figure() -> None:
    few = np.array([str(number % 29) for number in range(500)])
    assert not means({"x": np.ones(500)}, resamples_of(few))
    half_known = np.where(np.arange(1000) < 500, 1.0, np.nan)
    assert not means({"x": half_known}, resamples_of(np.append(few, [f"other {number}" for number in range(500)])))


def test_an_interval_is_stretched_to_a_figure_that_drawing_moves_away_from() -> None:
    found = figure(0.01, np.linspace(0.02, 0.04, 1000), 100)
    assert found.low == 0.01
    assert found.high == pytest.approx(0.0395, abs=1e-3)
