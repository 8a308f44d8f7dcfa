"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from training.likelihood import age_loss, exact_loss, gender_loss, interval_loss


def log_probs(**years: float) -> torch.Tensor:
    """Return logits (1, 101) that give these probabilities, y20=0.5 and so on."""
    probs = torch.full((1, 101), 1e-12)
    for name, value in years.items():
        probs[0, int(name[1:])] = value
    return probs.log()


def test_an_interval_counts_all_of_its_years_and_nothing_else() -> None:
    logits = log_probs(y20=0.25, y29=0.25, y30=0.5)
    loss = interval_loss(logits, torch.tensor([20]), torch.tensor([29]), soft_share=0)
    assert loss.item() == pytest.approx(-math.log(0.5), abs=1e-4)


def test_soft_borders_count_years_just_outside_by_their_distance() -> None:
    logits = log_probs(y29=0.5, y31=0.5)
    loss = interval_loss(logits, torch.tensor([20]), torch.tensor([29]), soft_share=1.0)
    assert loss.item() == pytest.approx(-math.log(0.5 + 0.5 * (1 - 2 / 5)), abs=1e-4)


def test_the_likeliest_interval_costs_nothing() -> None:
    assert interval_loss(log_probs(y0=0.4, y2=0.6), torch.tensor([0]), torch.tensor([2])).item() == pytest.approx(0, abs=1e-4)


def test_an_exact_age_is_wanted_as_a_narrow_hill() -> None:
    years = torch.arange(101.0)
    hill = -((years - 40) ** 2)[None] / 8
    assert exact_loss(hill, torch.tensor([40])).item() == pytest.approx(0, abs=1e-3)
    assert exact_loss(hill, torch.tensor([50]), expectation_weight=0.1).item() > 10 * 0.1


def test_a_mixed_batch_weighs_each_face_alike() -> None:
    logits = torch.randn(4, 101, generator=torch.Generator().manual_seed(1))
    low, high = torch.tensor([5, 20, 33, 70]), torch.tensor([5, 29, 33, 100])
    singly = [age_loss(logits[i : i + 1], low[i : i + 1], high[i : i + 1]).item() for i in range(4)]
    assert age_loss(logits, low, high).item() == pytest.approx(sum(singly) / 4, rel=1e-5)


def test_unknown_genders_cost_nothing_and_move_nothing() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    gender_loss(logits, torch.tensor([-1, -1, -1])).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert logits.grad is not None
    assert not logits.grad.any()
    known = gender_loss(logits[:1], torch.tensor([1]))
    assert gender_loss(logits[:2], torch.tensor([1, -1])).item() == pytest.approx(known.item())
