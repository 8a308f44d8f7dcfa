"""Likelihoods of labels under the networks' distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

_NOTHING = 1e-9


def interval_loss(logits: Tensor, low: Tensor, high: Tensor, *, soft_years: float = 5.0, soft_share: float = 0.1) -> Tensor:
    """Return the mean negative log-likelihood of ages that are known to lie in intervals (interval censoring: Turnbull, 1976).

    The probability of the interval is the sum over its years, so that the network is free within it. A share of the loss counts
    years just outside as well, less the farther they are: annotators' borders are not sharp.

    Args:
        logits: (n, 101) of the years.
        low: (n,) first year of the interval.
        high: (n,) last year.
        soft_years: Up to where years outside count.
        soft_share: Weight of the loss with soft borders, 0..1.
    """
    years = torch.arange(logits.shape[1], device=logits.device)
    outside = torch.maximum(low[:, None] - years, years - high[:, None]).clamp(min=0)
    log_probs = functional.log_softmax(logits, dim=1)
    hard = torch.logsumexp(log_probs + (outside == 0).float().clamp(min=_NOTHING).log(), dim=1)
    soft = torch.logsumexp(log_probs + (1 - outside / soft_years).clamp(min=_NOTHING).log(), dim=1)
    return -((1 - soft_share) * hard + soft_share * soft).mean()


def exact_loss(logits: Tensor, age: Tensor, *, sigma: float = 2.0, expectation_weight: float = 0.1) -> Tensor:
    """Return the loss of exact ages: the distribution around the year (Gao et al., "Deep Label Distribution Learning", 2017), and Σ p·age.

    Args:
        logits: (n, 101) of the years.
        age: (n,) years.
        sigma: Years: the width of the Gaussian that a label is taken for.
        expectation_weight: Of the absolute error of the expectation, per year.
    """
    years = torch.arange(logits.shape[1], device=logits.device)
    wanted = torch.softmax(-((years - age[:, None]) ** 2) / (2 * sigma**2), dim=1)
    log_probs = functional.log_softmax(logits, dim=1)
    divergence = functional.kl_div(log_probs, wanted, reduction="batchmean")
    return divergence + expectation_weight * ((log_probs.exp() * years).sum(dim=1) - age).abs().mean()


def age_loss(logits: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the mean loss of a batch in which some ages are exact and others intervals.

    Args:
        logits: (n, 101) of the years.
        low: (n,) first year of each interval.
        high: (n,) last year; the same where the age is exact.
    """
    exact = low == high
    parts = []
    if exact.any():
        parts.append(exact_loss(logits[exact], low[exact]) * exact.float().mean())
    if not exact.all():
        parts.append(interval_loss(logits[~exact], low[~exact], high[~exact]) * (~exact).float().mean())
    return torch.stack(parts).sum()


def gender_loss(logits: Tensor, gender: Tensor, *, smoothing: float = 0.05) -> Tensor:
    """Return the mean cross-entropy of known genders, 0 where none is known; labels are smoothed, for some of them are wrong.

    Args:
        logits: (n, 2) female, male.
        gender: (n,) 0, 1 or -1: not known.
        smoothing: Probability that is spread over both.
    """
    known = gender >= 0
    if not known.any():
        return logits.sum() * 0
    return functional.cross_entropy(logits[known], gender[known], label_smoothing=smoothing)
