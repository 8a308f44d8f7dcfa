"""Bands of years: the nine of FairFace that visits are counted in, and the eight of Adience."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.types import AGE_BANDS
from training.faces import ANY_AGE

if TYPE_CHECKING:
    from training.faces import Int64

UNKNOWN_BAND = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """A partition of the years 0 to 100."""

    names: tuple[str, ...]
    starts: tuple[int, ...]  # the first year of each; ascending, from 0

    def of_intervals(self, low: Int64, high: Int64) -> Int64:
        """Return the band (n,) that holds each labelled interval of years; `UNKNOWN_BAND` where it reaches into another one."""
        first, last = (np.searchsorted(self.starts, years, side="right") - 1 for years in (low, high))
        return np.where(first == last, first, UNKNOWN_BAND).astype(np.int64)


NINE = Bands(names=AGE_BANDS, starts=(0, 3, 10, 20, 30, 40, 50, 60, 70))

ADIENCE = Bands(
    names=("0-2", "4-6", "8-12", "15-20", "25-32", "38-43", "48-53", "60+"),
    starts=(0, 4, 8, 14, 23, 36, 46, 57),  # Adience leaves years out: each counts for the nearer band, a tie for the younger
)
_ADIENCE_LABELS = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))


def adience_bands(low: Int64, high: Int64) -> Int64 | None:
    """Return the Adience band (n,) of each label, `UNKNOWN_BAND` where the age is not known; None where labels are of other bands."""
    found = np.full(len(low), UNKNOWN_BAND, np.int64)
    for band, (first, last) in enumerate(_ADIENCE_LABELS):
        found[(low == first) & (high == last)] = band
    not_known = (low == ANY_AGE[0]) & (high == ANY_AGE[1])
    return found if (found >= 0).any() and ((found >= 0) | not_known).all() else None
