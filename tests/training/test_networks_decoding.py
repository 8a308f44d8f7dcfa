"""Bins become years, and coarse answers narrow fine ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training.errors import TrainingError
from training.evaluation import bands
from training.networks import open_network
from training.networks.base import AGES, Targets
from training.networks.decoding import AgeBins, even, narrowed, within
from training.networks.generation import AGE_BINS, GENERATIONS, Generation
from training.networks.googlenet_gender import GooglenetGender
from training.networks.levi_hassner import LeviHassnerModified

SURE = 50.0  # a logit that leaves nothing to the others
ADIENCE = AgeBins(bands.ADIENCE_LABELS, half_life_years=7)


def numbers(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def generation_answer(*, generation: dict[int, float], age_bin: dict[int, float]) -> torch.Tensor:
    """Return the years that `generation` decodes of logits; those that are not named are hopeless."""
    logits = torch.full((1, len(GENERATIONS) + len(AGE_BINS) + 2), -SURE)
    for place, value in generation.items():
        logits[0, place] = value
    for place, value in age_bin.items():
        logits[0, len(GENERATIONS) + place] = value
    network = open_network("generation", {"side_px": 80, "width": 0.1})
    return network.decode(logits)["age_probs"][0]


def test_the_generation_narrows_the_range_in_which_the_bin_is_chosen() -> None:
    liked_bins = {12: 5.0, 6: 3.0, 5: 1.0}  # 60-64 before 30-34 before 25-29
    young = generation_answer(generation={3: SURE}, age_bin=liked_bins)  # 25-44
    assert young[25:45].sum().item() == pytest.approx(1)
    assert young.argmax() in range(30, 35)
    assert (young[30:35].sum() / young[25:30].sum()).item() == pytest.approx(np.exp(2), rel=1e-4)
    old = generation_answer(generation={4: SURE}, age_bin=liked_bins)  # 45-69
    assert old[60:65].sum().item() == pytest.approx(1)


def test_a_bin_that_two_generations_share_counts_in_each_by_its_own_years() -> None:
    # 5-9 lies in both <7 and 7-14: of its five years two and three.
    answer = generation_answer(generation={0: 0.0, 1: 0.0}, age_bin={1: SURE})
    assert answer[5:7].tolist() == pytest.approx([0.25, 0.25])
    assert answer[7:10].tolist() == pytest.approx([1 / 6] * 3)


def test_a_generation_whose_bins_are_all_hopeless_is_still_answered() -> None:
    answer = generation_answer(generation={5: SURE}, age_bin={0: SURE})  # a baby of over 70
    assert answer[70:].sum().item() == pytest.approx(1)
    assert answer.sum().item() == pytest.approx(1)


def test_generations_are_as_likely_as_their_head_says() -> None:
    network = open_network("generation", {"side_px": 80, "width": 0.1})
    assert isinstance(network, Generation)
    logits = torch.randn(50, 29, generator=torch.Generator().manual_seed(1)) * 3
    decoded = network.decode(logits)["age_probs"] @ network.ranges.T
    torch.testing.assert_close(decoded, torch.softmax(logits[:, :6], dim=1))


def test_each_year_is_in_one_generation_and_one_bin() -> None:
    for parts in (GENERATIONS, AGE_BINS):
        assert [year for first, last in parts for year in range(first, last + 1)] == list(range(AGES))
    assert (len(GENERATIONS), len(AGE_BINS)) == (6, 21)


@given(st.data())
def test_narrowed_years_sum_to_one(data: st.DataObject) -> None:
    values = st.floats(0, 1, width=32)
    coarse, fine = (
        torch.softmax(torch.from_numpy(data.draw(arrays.arrays(np.float32, (3, size), elements=values))) * 200, dim=1) for size in (6, AGES)
    )
    first, last = torch.tensor(GENERATIONS).T
    torch.testing.assert_close(narrowed(coarse, fine, within(first, last)).sum(dim=1), torch.ones(3), atol=1e-4, rtol=0)


def test_the_years_of_a_gap_belong_to_the_nearer_band_a_tie_to_the_younger() -> None:
    owner = (ADIENCE.spread > 0).float()
    assert owner[:, 21].tolist() == owner[:, 22].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]  # 15-20
    assert owner[:, 23].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]  # 25-32
    assert ADIENCE.spread[0].nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert ADIENCE.spread[0, :4].tolist() == [0.25] * 4  # 3 is the middle of 2 and 4
    torch.testing.assert_close(ADIENCE.spread.sum(dim=1), torch.ones(8))


@given(st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8))
def test_the_band_that_is_judged_is_the_networks_likeliest(values: list[float]) -> None:
    probs = torch.softmax(torch.tensor([values]) * 5, dim=1)
    judged = np.add.reduceat(ADIENCE.years(probs).numpy(), np.array(bands.ADIENCE.starts), axis=1)
    np.testing.assert_allclose(judged, probs.numpy(), atol=1e-6)


def test_half_of_the_open_band_is_within_its_half_life() -> None:
    last = ADIENCE.spread[-1]
    assert (last[67] / last[60]).item() == pytest.approx(0.5)
    assert (last[74] / last[60]).item() == pytest.approx(0.25)
    assert last[57] == last[60]


def test_a_bin_that_lies_in_the_interval_partly_counts_by_that_part() -> None:
    bins = AgeBins(((0, 9), (10, 29), (30, 100)))
    shares = bins.shares(numbers(5, 10, 0), numbers(14, 29, 100))
    torch.testing.assert_close(shares, torch.tensor([[0.5, 0.25, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    log_probs = torch.tensor([[0.5, 0.25, 0.25]]).log()
    assert float(bins.loss(log_probs, numbers(5), numbers(14))) == pytest.approx(-np.log(0.5 * 0.5 + 0.25 * 0.25))


def test_a_known_interval_leaves_the_bins_that_agree_with_it() -> None:
    bins = AgeBins(((0, 9), (10, 29), (30, 100)))
    posterior = bins.posterior(torch.tensor([[0.2, 0.2, 0.6]]), numbers(5), numbers(14))
    torch.testing.assert_close(posterior, torch.tensor([[2 / 3, 1 / 3, 0.0]]), atol=1e-6, rtol=0)


def test_sigmoids_are_divided_by_their_sum() -> None:
    network = open_network("levi_hassner_modified", {"side_px": 64, "width": 0.25})
    assert isinstance(network, LeviHassnerModified)
    logits = torch.full((1, 10), -SURE)
    logits[0, 1] = logits[0, 4] = 0.0  # each half right: 4-6 and 25-32
    logits[0, 8], logits[0, 9] = SURE, 0.0  # surely female, and half male
    answers = network.decode(logits)
    assert answers["age_probs"][0, 23:36].sum().item() == pytest.approx(0.5)  # 25-32 and the years nearer to it
    assert answers["age_probs"][0, 4:8].sum().item() == pytest.approx(0.5)  # 7 is its own, 3 is not
    assert answers["gender_probs"][0].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_faces_without_a_known_gender_teach_none() -> None:
    network = open_network("levi_hassner_modified", {"side_px": 64, "width": 0.25})
    targets = Targets(age_low=numbers(20, 30), age_high=numbers(29, 39), gender=numbers(-1, -1), person=numbers(0, 0))
    assert float(network.losses(torch.randn(2, 10), targets)["gender"]) == 0


@pytest.mark.parametrize("name", ["levi_hassner", "levi_hassner_modified"])
def test_faces_of_any_age_teach_no_age(name: str) -> None:
    network = open_network(name, {"side_px": 64, "width": 0.25})
    logits = torch.randn(3, 10, requires_grad=True)
    targets = Targets(age_low=numbers(20, 0, 0), age_high=numbers(29, 100, 9), gender=numbers(-1, -1, -1), person=numbers(0, 0, 0))
    network.losses(logits, targets)["age"].backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert logits.grad is not None
    assert (logits.grad[:, :8].abs().sum(dim=1) > 1e-6).tolist() == [True, False, True]


def test_more_people_than_the_network_knows_are_one_clear_line() -> None:
    network = open_network("identity", {"people": 2})
    targets = Targets(age_low=numbers(0, 0), age_high=numbers(100, 100), gender=numbers(-1, -1), person=numbers(1, 3))
    with pytest.raises(TrainingError, match=r"^the data hold 3 people or more, the network 2; set `people` in the recipe's options$"):
        network.losses(torch.randn(2, 3), targets)


def test_what_is_not_estimated_is_even() -> None:
    answers = even(torch.randn(3, 2), 4)
    assert answers.tolist() == [[0.25] * 4] * 3


def test_auxiliary_classifiers_are_there_in_training_only() -> None:
    network = open_network("googlenet_gender", {"side_px": 80, "width": 0.125})
    assert isinstance(network, GooglenetGender)
    faces = torch.zeros(2, 3, 80, 80)
    targets = Targets(age_low=numbers(20, 30), age_high=numbers(29, 39), gender=numbers(0, 1), person=numbers(0, 0))
    assert set(network.losses(network.train()(faces), targets)) == {"gender", "auxiliary"}
    assert set(network.losses(network.eval()(faces), targets)) == {"gender"}
