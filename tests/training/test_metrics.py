"""The figures against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.painted import labelled, paint
from training.errors import TrainingError
from training.evaluation.bands import ADIENCE, NINE, adience_bands
from training.evaluation.estimates import Estimates
from training.evaluation.intervals import Resamples, means
from training.evaluation.measures import class_columns, columns
from training.evaluation.sections import Judged, section
from training.evaluation.tasks import ADIENCE_BANDS, GROUPS, SIX_GENERATIONS, tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.faces import Faces

ADIENCE_LABELS = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))


def certain(ages: Sequence[int], p_male: Sequence[float]) -> Estimates:
    """Return estimates that are sure of the ages."""
    male = np.array(p_male, np.float32)
    return Estimates(age_probs=np.eye(101, dtype=np.float32)[list(ages)], gender_probs=np.stack([1 - male, male], axis=1))


def faces(count: int, **labels: object) -> Faces:
    return labelled(paint([0] * count, [0] * count), **labels)


def mean(found: Faces, estimates: Estimates, name: str) -> float:
    return float(np.nanmean(columns(found, estimates, tasks(found, estimates))[name]))


def test_errors_of_exact_ages() -> None:
    found = faces(4, age_low=[10, 20, 30, 80], age_high=[10, 20, 30, 80], sigma=[2.0, 5.0, np.nan, np.nan])
    estimates = certain([12, 15, 36, 70], [0.5] * 4)
    assert mean(found, estimates, "age_mae") == pytest.approx((2 + 5 + 6 + 10) / 4)
    assert mean(found, estimates, "age_bias") == pytest.approx((2 - 5 + 6 - 10) / 4)
    assert mean(found, estimates, "age_cs5") == 0.5
    assert mean(found, estimates, "age_mae_18_75") == pytest.approx((5 + 6) / 2)
    assert mean(found, estimates, "age_epsilon") == pytest.approx(1 - np.exp(-0.5))  # one sigma off, both
    assert mean(found, estimates, "groups_accuracy") == 0.75  # all but the second
    assert mean(found, estimates, "groups_one_off") == 1


def test_an_interval_has_a_group_but_no_error_in_years() -> None:
    found = faces(3, age_low=[20, 30, 0], age_high=[29, 39, 100])
    by_name = columns(found, certain([25, 55, 3], [0.1] * 3), tasks(found, certain([25, 55, 3], [0.1] * 3)))
    assert np.isnan(by_name["age_mae"]).all()
    np.testing.assert_array_equal(by_name["groups_accuracy"], [1, 0, np.nan])
    np.testing.assert_array_equal(by_name["groups_one_off"], [1, 0, np.nan])


def test_the_group_is_the_likeliest_one_not_that_of_the_likeliest_or_the_expected_year() -> None:
    probs = np.zeros((1, 101), np.float32)
    probs[0, [24, 40, 45, 70]] = 0.28, 0.2, 0.2, 0.32  # likeliest year 70, likeliest decade 40-49
    estimates = Estimates(age_probs=probs, gender_probs=np.full((1, 2), 0.5, np.float32))
    assert float(estimates.ages[0]) == pytest.approx(24 * 0.28 + 40 * 0.2 + 45 * 0.2 + 70 * 0.32, abs=1e-4)  # 46
    assert mean(faces(1, age_low=[40], age_high=[49]), estimates, "groups_accuracy") == 1
    assert mean(faces(1, age_low=[44], age_high=[44]), estimates, "groups_nll") == pytest.approx(-np.log(0.4), abs=1e-6)


def test_gender_of_all_and_of_adults() -> None:
    found = faces(5, gender=[0, 0, 0, 1, -1], age_low=[20, 17, 18, 10, 30], age_high=[29, 17, 18, 19, 39])
    estimates = certain([1] * 5, [0.2, 0.8, 0.9, 0.6, 0.3])
    assert mean(found, estimates, "gender_accuracy") == 0.5
    assert mean(found, estimates, "gender_accuracy_adults") == 0.5
    assert mean(found, estimates, "gender_nll") == pytest.approx(-np.log([0.8, 0.2, 0.1, 0.6]).mean(), abs=1e-6)
    by_class = {name: float(np.nanmean(column)) for name, column in class_columns(tasks(found, estimates)[0]).items()}
    assert by_class == pytest.approx({"precision female": 1, "recall female": 1 / 3, "precision male": 1 / 3, "recall male": 1})


def test_heads_that_say_nothing_are_not_measured() -> None:
    found = faces(2, age_low=[20, 30], age_high=[20, 30], gender=[0, 1])
    even_ages = Estimates(age_probs=np.full((2, 101), 1 / 101, np.float32), gender_probs=np.eye(2, dtype=np.float32))
    assert columns(found, even_ages, tasks(found, even_ages)).keys() == {"gender_accuracy", "gender_nll", "gender_accuracy_adults"}
    even_genders = certain([20, 30], [0.5, 0.5])
    assert not any(name.startswith("gender") for name in columns(found, even_genders, tasks(found, even_genders)))


def test_labels_across_a_border_have_no_group() -> None:
    low, high = np.array([0, 3, 8, 69, 70, 0]), np.array([2, 9, 12, 70, 100, 100])
    assert NINE.of_intervals(low, high).tolist() == [0, 1, -1, -1, 8, -1]


def test_years_that_adience_leaves_out_count_for_the_nearer_band() -> None:
    band_of_year = ADIENCE.of_intervals(np.arange(101), np.arange(101))
    for year in range(101):
        away = [max(low - year, year - high, 0) for low, high in ADIENCE_LABELS]
        assert band_of_year[year] == away.index(min(away)), year


def test_generations_count_labels_that_lie_in_one_and_bins_exact_ages() -> None:
    low, high = [6, 7, 24, 25, 100, 0, 10, 30], [6, 7, 24, 25, 100, 2, 19, 39]
    found = faces(8, age_low=low, age_high=high)
    by_name = columns(found, estimates := certain([9, 9, 21, 29, 99, 4, 12, 44], [0.5] * 8), tasks(found, estimates))
    np.testing.assert_array_equal(by_name["generations_accuracy"], [0, 1, 1, 1, 1, 1, np.nan, 1])
    np.testing.assert_array_equal(by_name["age_bins_accuracy"], [1, 1, 1, 1, 0, np.nan, np.nan, np.nan])
    assert not {"generations_nll", "generations_one_off", "age_bins_nll", "age_bins_one_off"} & by_name.keys()


def test_a_report_holds_of_the_bins_the_share_that_is_right_and_no_more() -> None:
    found = faces(40, age_low=range(20, 60), age_high=range(20, 60))
    estimates = certain(range(21, 61), [0.5] * 40)
    drawn = section("all", Judged(faces=found, estimates=estimates, tasks=tasks(found, estimates)))
    assert drawn.figures["age_bins_accuracy"].value == 0.8
    assert drawn.figures["generations_accuracy"].value == 38 / 40
    assert drawn.confusions.keys() == {"groups", "generations"}
    assert not {"age_bins_ece", "generations_ece"} & drawn.figures.keys()


def test_people_and_nobody_of_them() -> None:
    """Of 40 strangers one is taken for the second person; of 40 pictures of the first, ten for nobody; the second is always known."""
    person, judged = np.repeat([0, 1, 2], 40), np.repeat([2, 0, 0, 1, 2], [1, 39, 10, 30, 40])
    found = faces(120, person=person)
    says_nothing = Estimates(age_probs=np.full((120, 101), 1 / 101, np.float32), gender_probs=np.full((120, 2), 0.5, np.float32))
    estimates = replace(says_nothing, person_probs=np.eye(3, dtype=np.float32)[judged])
    drawn = section("all", Judged(faces=found, estimates=estimates, tasks=tasks(found, estimates)))
    assert drawn.figures.keys() == {"people_accuracy", "people_nll", "people_ece"}
    assert drawn.figures["people_accuracy"].value == pytest.approx(109 / 120, abs=1e-5)
    people = drawn.confusions["people"]
    assert people.classes == ("none", "person 1", "person 2")
    assert people.counts == ((39, 0, 1), (10, 30, 0), (0, 0, 40))
    assert [round(each.value, 3) for each in people.precision if each] == [0.796, 1.0, 0.976]
    assert [each.value for each in people.recall if each] == [0.975, 0.75, 1.0]
    assert not tasks(found, says_nothing)
    with pytest.raises(TrainingError, match="the faces are of 3 people, but the model knows 2"):
        tasks(faces(1, person=[3]), estimates.take(np.arange(1)))


def test_adience_is_known_by_its_bands() -> None:
    low, high = np.array(ADIENCE_LABELS).T
    assert adience_bands(low, high) is not None
    with_unknown = adience_bands(np.append(low, 0), np.append(high, 100))
    assert with_unknown is not None
    assert with_unknown.tolist() == [*range(8), -1]
    assert adience_bands(np.array([0, 3]), np.array([2, 9])) is None  # FairFace shares one of them
    found = faces(8, age_low=low, age_high=high)
    estimates = certain([1, 7, 16, 18, 50, 40, 50, 99], [0.5] * 8)
    assert [task.name for task in tasks(found, estimates)] == [GROUPS, ADIENCE_BANDS, SIX_GENERATIONS]
    assert mean(found, estimates, "adience_accuracy") == 6 / 8
    assert mean(found, estimates, "adience_one_off") == 7 / 8


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(-1, 1), st.floats(0, 1)), min_size=30, max_size=60))
def test_what_holds_for_all_faces(rows: list[tuple[int, int, int, float]]) -> None:
    true_age, judged_age, gender, p_male = (list(column) for column in zip(*rows, strict=True))
    found = faces(len(rows), age_low=true_age, age_high=true_age, gender=gender)
    estimates = certain(judged_age, p_male)
    known = tasks(found, estimates)
    drawn = section("all", Judged(faces=found, estimates=estimates, tasks=known))
    assert drawn.figures["groups_one_off"].value >= drawn.figures["groups_accuracy"].value
    for name, confusion in drawn.confusions.items():
        counts = np.array(confusion.counts)
        assert counts.sum() == drawn.figures[f"{name}_accuracy"].n
        assert counts.trace() / counts.sum() == pytest.approx(drawn.figures[f"{name}_accuracy"].value, abs=1e-5)
        assert sum(confusion.mean_probs) == pytest.approx(1, abs=1e-3)
        for number, (precision, recall) in enumerate(zip(confusion.precision, confusion.recall, strict=True)):
            judged, labelled_so = counts[:, number].sum(), counts[number].sum()
            assert (precision is None) == (judged < 30)
            assert (recall is None) == (labelled_so < 30)
            assert precision is None or precision.value == pytest.approx(counts[number, number] / judged, abs=1e-5)
            assert recall is None or recall.value == pytest.approx(counts[number, number] / labelled_so, abs=1e-5)


def test_of_few_faces_no_figure_is_claimed() -> None:
    few = {"many": np.append(np.ones(30), np.nan), "few": np.append(np.ones(29), [np.nan, np.nan])}
    found = means(few, Resamples(31))
    assert found.keys() == {"many"}
    assert found["many"].n == 30
