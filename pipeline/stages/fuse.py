"""Fuses a track's observations into one age and gender; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.types import AGE_BANDS, UNKNOWN, FuseSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32

BIN_EDGES = (0, 3, *range(5, 96, 5), 101)
"""Years at which the age bins begin, and the end: 0-2, 3-4, 5-9, then five years each; the last ends with 100."""

_BAND_EDGES = (0, 3, *range(10, 71, 10))
_EVEN = np.diff((*_BAND_EDGES, 101)) / 101 * 1.01  # the bands' probabilities where every year is as likely, and a little more
_BAND_BINS = np.searchsorted(BIN_EDGES, _BAND_EDGES)
_LOW, _HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """The labels of a visit; all None and "unknown" where no crop was good enough."""

    age: float | None = None  # years
    age_low: float | None = None  # 10th percentile of the fused distribution, years
    age_high: float | None = None  # 90th
    age_band: str = UNKNOWN
    band_probs: tuple[float, ...] = ()  # nine, summing to 1, or none
    p_female: float | None = None
    gender: str = UNKNOWN


def add(sums: FuseSums, *, age_probs: Float32, p_female: float, quality: float, model: str) -> FuseSums:
    """Add one observation to a track's sums.

    Args:
        sums: So far.
        age_probs: (101,) float32, years 0..100, sums to 1.
        p_female: 0..1.
        quality: Of the crop, above 0 to 1; its weight.
        model: Who says so.
    """
    bins = np.add.reduceat(age_probs.astype(np.float64), BIN_EDGES[:-1]) * quality
    before = np.asarray(sums.bins or np.zeros(len(bins)), np.float64)
    return replace(
        sums,
        observations=sums.observations + 1,
        weight=sums.weight + quality,
        best_quality=max(sums.best_quality, quality),
        age=sums.age + quality * float(age_probs @ np.arange(101)),
        p_female=sums.p_female + quality * p_female,
        # Rounded to 32 bits so that a state stays small; rounding at each step keeps it independent of the commits between.
        bins=tuple((before + bins).astype(np.float32).tolist()),
        model=sums.model if model in sums.model.split("+") else f"{sums.model}+{model}".lstrip("+"),
    )


def fuse(sums: FuseSums, *, gender_unknown: tuple[float, float], band_min_prob: float) -> Fused:
    """Return the labels that the sums support.

    Args:
        sums: Of all observations of a track.
        gender_unknown: Between these P(female) the gender is unknown.
        band_min_prob: Below this probability of the likeliest band, the band is unknown; and where that is no more than an even
            distribution gives it, as a model of gender alone does.
    """
    if not sums.weight:  # nothing was observed, or only with crops of no quality, where the gate is open
        return Fused()
    bins = np.asarray(sums.bins, np.float64)
    bins /= bins.sum()
    bands = np.add.reduceat(bins, _BAND_BINS)
    likeliest = int(np.argmax(bands))
    p_female = min(sums.p_female / sums.weight, 1.0)
    age = sums.age / sums.weight
    return Fused(
        age=age,
        age_low=min(age, _percentile(bins, _LOW)),  # a mean may lie outside the percentiles of a very skewed distribution
        age_high=max(age, _percentile(bins, _HIGH)),
        age_band=AGE_BANDS[likeliest] if bands[likeliest] >= max(band_min_prob, _EVEN[likeliest]) else UNKNOWN,
        band_probs=tuple(bands.tolist()),
        p_female=p_female,
        gender=_gender(p_female, gender_unknown),
    )


def _gender(p_female: float, unknown: tuple[float, float]) -> str:
    if unknown[0] <= p_female <= unknown[1]:
        return UNKNOWN
    return "female" if p_female > unknown[1] else "male"


def _percentile(bins: NDArray[np.float64], share: float) -> float:
    """Return the age below which `share` of the distribution lies; ages are spread evenly within a bin."""
    below = np.concatenate(([0.0], np.cumsum(bins)))
    return float(np.interp(share, below, BIN_EDGES))
