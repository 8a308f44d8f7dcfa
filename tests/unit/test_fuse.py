from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.fuse import BIN_EDGES, Fused, add, fuse
from pipeline.types import AGE_BANDS, UNKNOWN, Float32, FuseSums

if TYPE_CHECKING:
    from random import Random


def labels(sums: FuseSums, *, gender_unknown: tuple[float, float] = (0.35, 0.65), band_min_prob: float = 0.3) -> Fused:
    return fuse(sums, gender_unknown=gender_unknown, band_min_prob=band_min_prob)


def ages(*weighted: tuple[int, float]) -> Float32:
    probs = np.zeros(101, np.float32)
    for year, probability in weighted:
        probs[year] = probability
    return probs


def observe(*observations: tuple[Float32, float, float]) -> FuseSums:
    sums = FuseSums()
    for age_probs, p_female, quality in observations:
        sums = add(sums, age_probs=age_probs, p_female=p_female, quality=quality, model="hues:1")
    return sums


@st.composite
def observation(draw: st.DrawFn) -> tuple[Float32, float, float]:
    years = draw(st.lists(st.tuples(st.integers(0, 100), st.floats(0.01, 1)), min_size=1, max_size=6))
    probs = ages(*years)
    return probs / probs.sum(), draw(st.floats(0, 1)), draw(st.floats(0.01, 1))


OBSERVATIONS = st.lists(observation(), min_size=1, max_size=12)


@given(OBSERVATIONS)
def test_what_is_fused_is_a_distribution_with_its_age_inside(observations: list[tuple[Float32, float, float]]) -> None:
    fused = labels(observe(*observations))
    assert sum(fused.band_probs) == pytest.approx(1)
    assert all(probability >= 0 for probability in fused.band_probs)
    assert fused.age is not None
    assert fused.age_low is not None
    assert fused.age_high is not None
    assert 0 <= fused.age_low <= fused.age <= fused.age_high <= 101
    likeliest = int(np.argmax(fused.band_probs))
    least = 0.31 if AGE_BANDS[likeliest] == "70+" else 0.3  # an even distribution has 31 of 101 years there
    assert fused.age_band == (AGE_BANDS[likeliest] if fused.band_probs[likeliest] >= least else UNKNOWN)
    assert fused.p_female is not None
    assert 0 <= fused.p_female <= 1


@given(OBSERVATIONS, st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(observations: list[tuple[Float32, float, float]], random: Random) -> None:
    shuffled = list(observations)
    random.shuffle(shuffled)
    one, other = labels(observe(*observations), band_min_prob=0), labels(observe(*shuffled), band_min_prob=0)
    assert one.age == pytest.approx(other.age, abs=1e-6)
    assert one.p_female == pytest.approx(other.p_female, abs=1e-9)
    assert one.band_probs == pytest.approx(other.band_probs, abs=1e-5)


@given(observation())
def test_one_observation_returns_its_own_numbers(one: tuple[Float32, float, float]) -> None:
    age_probs, p_female, quality = one
    sums = observe(one)
    fused = labels(sums)
    assert (sums.observations, sums.weight, sums.best_quality) == (1, quality, quality)
    assert fused.age == pytest.approx(float(age_probs @ np.arange(101)), abs=1e-4)
    assert fused.p_female == pytest.approx(p_female)
    edges = (0, 3, 10, 20, 30, 40, 50, 60, 70, 101)
    bands = [float(age_probs[first:end].sum()) for first, end in pairwise(edges)]
    assert fused.band_probs == pytest.approx(bands, abs=1e-5)


def test_observations_weigh_by_their_quality() -> None:
    fused = labels(observe((ages((20, 1)), 0.0, 0.3), (ages((60, 1)), 1.0, 0.1)))
    assert fused.age == pytest.approx(30)
    assert fused.p_female == pytest.approx(0.25)
    assert fused.band_probs == pytest.approx((0, 0, 0, 0.75, 0, 0, 0, 0.25, 0))


def test_the_best_quality_is_kept_whenever_it_came() -> None:
    face = ages((20, 1))
    assert observe((face, 0.5, 0.2), (face, 0.5, 0.9), (face, 0.5, 0.4)).best_quality == 0.9


@pytest.mark.parametrize(
    ("p_female", "gender"),
    [(0.0, "male"), (0.34, "male"), (0.35, UNKNOWN), (0.5, UNKNOWN), (0.65, UNKNOWN), (0.66, "female"), (1.0, "female")],
)
def test_between_the_limits_the_gender_is_unknown(p_female: float, gender: str) -> None:
    assert labels(observe((ages((30, 1)), p_female, 1.0))).gender == gender


def test_an_even_distribution_as_of_a_model_of_gender_alone_has_an_unknown_band_but_an_age() -> None:
    fused = labels(observe((np.full(101, 1 / 101, np.float32), 0.9, 1.0)))
    assert fused.gender == "female"
    assert fused.age_band == UNKNOWN
    assert fused.age == pytest.approx(50)
    assert fused.age_low == pytest.approx(10.1, abs=0.1)
    assert fused.age_high == pytest.approx(90.9, abs=0.1)


@pytest.mark.parametrize("sums", [FuseSums(), observe((ages((30, 1)), 0.9, 0.0))], ids=["none", "of no quality"])
def test_without_an_observation_that_weighs_all_is_unknown(sums: FuseSums) -> None:
    assert labels(sums) == Fused(age=None, age_low=None, age_high=None, age_band=UNKNOWN, band_probs=(), p_female=None, gender=UNKNOWN)


def test_each_band_begins_where_a_bin_begins() -> None:
    starts = {int(band.rstrip("+").split("-")[0]) for band in AGE_BANDS}
    assert starts <= set(BIN_EDGES)
    for start, band in zip(sorted(starts), AGE_BANDS, strict=True):
        assert labels(observe((ages((start, 1)), 0.5, 1.0))).age_band == band
        if start:
            assert labels(observe((ages((start - 1, 1)), 0.5, 1.0))).age_band != band
