"""From bins of ages to years, in the graph; and the likelihood that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.evaluation.bands import starts_of
from training.networks.base import AGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_NOTHING = 1e-9


class AgeBins(nn.Module):
    """Bins of a network that knows no single years, and how the probability of each is spread over years.

    A bin is spread evenly. A year in a gap between two bins belongs to one of them, the same that it is judged by (`bands.starts_of`).

    Args:
        bins: First and last year of each, ascending, the first from 0, the last up to 100.
        half_life_years: Of the last bin, where it stands for all who are older: each further so many years get half as much;
            None: it is spread evenly as well.
    """

    spread: Tensor  # (bins, 101), each row sums to 1

    def __init__(self, bins: Sequence[tuple[int, int]], *, half_life_years: float | None = None) -> None:
        super().__init__()
        years = torch.arange(AGES)
        owner = torch.bucketize(years, torch.tensor(starts_of(bins)), right=True) - 1
        spread = functional.one_hot(owner, len(bins)).T.float()
        if half_life_years is not None:
            spread[-1] *= 0.5 ** ((years - bins[-1][0]).clamp(min=0) / half_life_years)
        self.register_buffer("spread", spread / spread.sum(dim=1, keepdim=True), persistent=False)

    def years(self, probs: Tensor) -> Tensor:
        """Return the probabilities of years (n, 101) of those of bins (n, bins)."""
        return probs @ self.spread

    def shares(self, low: Tensor, high: Tensor) -> Tensor:
        """Return which share of each bin (n, bins) lies in the intervals of years `low` to `high`, (n,) each, inclusive."""
        return within(low, high) @ self.spread.T

    def loss(self, log_probs: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of intervals; a bin that lies in one partly counts by that part.

        Args:
            log_probs: (n, bins).
            low: (n,) first year of each interval.
            high: (n,) last year; the same where the age is exact.
        """
        return -torch.logsumexp(log_probs + self.shares(low, high).clamp(min=_NOTHING).log(), dim=1).mean()

    def posterior(self, probs: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Return the probabilities of bins (n, bins) once the interval is known (the E-step of Dempster et al., 1977), without gradient."""
        joint = probs.detach() * self.shares(low, high) + _NOTHING
        return joint / joint.sum(dim=1, keepdim=True)


def within(low: Tensor, high: Tensor) -> Tensor:
    """Return 1 for the years of each interval and 0 for the others, (n, 101)."""
    years = torch.arange(AGES, device=low.device)
    return ((years >= low[:, None]) & (years <= high[:, None])).float()


def narrowed(range_probs: Tensor, years: Tensor, ranges: Tensor) -> Tensor:
    """Decode coarse to fine: each range of years is as likely as the coarse answer says, and inside it the fine answer decides.

    So a year that the fine answer likes counts little where the coarse answer rules its range out.

    Args:
        range_probs: (n, ranges), the coarse answer.
        years: (n, 101), the fine answer.
        ranges: (ranges, 101) 1 for the years of each range; each year is in exactly one.

    Returns:
        (n, 101), each row sums to 1.
    """
    fine = years + _NOTHING
    return fine * ((range_probs / (fine @ ranges.T)) @ ranges)


def even(logits: Tensor, count: int) -> Tensor:
    """Return (n, count) equal probabilities: the answer of a network that was not asked."""
    return torch.ones_like(logits[:, :1]).expand(-1, count) / count
