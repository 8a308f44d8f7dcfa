"""Bands of years: the nine of FairFace that visits are counted in, the eight of Adience, and those of `networks/generation.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.types import AGE_BANDS
from training.faces import ANY_AGE, MAX_AGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.faces import Int64

UNKNOWN_BAND = -1
ADIENCE_LABELS = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, MAX_AGE))
"""First and last year of each band of Adience, which leaves years out."""


def starts_of(labels: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the first year that counts for each label: a year that is left out counts for the nearer one, a tie for the younger.

    Args:
        labels: First and last year of each, ascending, the first from 0.
    """
    return (0, *((last + first) // 2 + 1 for (_, last), (first, _) in pairwise(labels)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """A partition of the years 0 to 100."""

    names: tuple[str, ...]
    starts: tuple[int, ...]  # the first year of each; ascending, from 0

    @property
    def intervals(self) -> tuple[tuple[int, int], ...]:
        """First and last year of each."""
        return tuple((first, following - 1) for first, following in pairwise((*self.starts, MAX_AGE + 1)))

    def of_intervals(self, low: Int64, high: Int64) -> Int64:
        """Return the band (n,) that holds each labelled interval of years; `UNKNOWN_BAND` where it reaches into another one."""
        first, last = (np.searchsorted(self.starts, years, side="right") - 1 for years in (low, high))
        return np.where(first == last, first, UNKNOWN_BAND).astype(np.int64)


NINE = Bands(names=AGE_BANDS, starts=(0, 3, 10, 20, 30, 40, 50, 60, 70))

GENERATIONS = Bands(names=("0-6", "7-14", "15-24", "25-44", "45-69", "70+"), starts=(0, 7, 15, 25, 45, 70))
AGE_BINS = Bands(
    names=(*(f"{first}-{first + 4}" for first in range(0, MAX_AGE, 5)), str(MAX_AGE)),
    starts=tuple(range(0, MAX_AGE + 1, 5)),
)
"""The 21 bins of identity age: five years each, 100 alone."""

ADIENCE = Bands(
    names=("0-2", "4-6", "8-12", "15-20", "25-32", "38-43", "48-53", "60+"),
    starts=starts_of(ADIENCE_LABELS),
)


def adience_bands(low: Int64, high: Int64) -> Int64 | None:
    """Return the Adience band (n,) of each label, `UNKNOWN_BAND` where the age is not known; None where labels are of other bands."""
    found = np.full(len(low), UNKNOWN_BAND, np.int64)
    for band, (first, last) in enumerate(ADIENCE_LABELS):
        found[(low == first) & (high == last)] = band
    not_known = (low == ANY_AGE[0]) & (high == ANY_AGE[1])
    return found if (found >= 0).any() and ((found >= 0) | not_known).all() else None
