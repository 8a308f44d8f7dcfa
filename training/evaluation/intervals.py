"""Figures with their 95% intervals, by the percentile bootstrap over faces (Efron, 1979), whose copies are drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from training.faces import Int64, Text

    Float64 = NDArray[np.float64]

MIN_FACES = 30
"""Of fewer faces no figure is claimed."""
RESAMPLES = 1000
SEED = 20

_AT_ONCE = 50  # resamples; bounds the memory
_PERCENTILES = (2.5, 97.5)
_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float
    n: int  # faces behind it; crops, where a face counts once at each size


class Resamples:
    """Drawings of n faces from n, with replacement: the same ones for the same n.

    Args:
        n: Faces, 1 or more.
        face: (m,) which of them each of m crops shows: all crops of a face are drawn together, for they are alike (the bootstrap
            by clusters, Field and Welsh, 2007); None: there is one crop of each, in order.
    """

    def __init__(self, n: int, face: Int64 | None = None) -> None:
        generator = np.random.default_rng(SEED)
        self._times = np.concatenate([_times(generator, n) for _ in range(RESAMPLES // _AT_ONCE)])
        self._face = np.arange(n) if face is None else face

    def sums(self, values: NDArray[Any]) -> Float64:
        """Return the sum (RESAMPLES, k) of values (m, k) over each drawing."""
        of_face = np.column_stack([np.bincount(self._face, column, self._times.shape[1]) for column in values.T])
        parts = range(0, RESAMPLES, _AT_ONCE)
        return np.concatenate([self._times[start : start + _AT_ONCE].astype(np.float64) @ of_face for start in parts])

    def enough(self, counted: NDArray[np.bool_]) -> bool:
        """Return whether the crops (m,) that count show at least `MIN_FACES` different faces."""
        return len(np.unique(self._face[counted])) >= MIN_FACES


def resamples_of(keys: Text) -> Resamples:
    """Return drawings for crops (m,) that are of the same face where their keys are the same."""
    names, face = np.unique(keys, return_inverse=True)
    return Resamples(len(names), face)


def means(columns: Mapping[str, Float64], resamples: Resamples) -> dict[str, Figure]:
    """Return the mean of each column (m,), over the crops where it is not NaN; columns of fewer than `MIN_FACES` faces are left out."""
    kept = {name: column for name, column in columns.items() if resamples.enough(np.isfinite(column))}
    if not kept:
        return {}
    values = np.column_stack(list(kept.values()))
    counted = np.isfinite(values)
    sums = resamples.sums(np.hstack([np.where(counted, values, 0), counted]))
    drawn = sums[:, : len(kept)] / sums[:, len(kept) :]
    return {name: figure(float(np.nanmean(kept[name])), drawn[:, i], int(counted[:, i].sum())) for i, name in enumerate(kept)}


def figure(value: float, drawn: Float64, n: int) -> Figure:
    """Return a statistic with its interval, from its values (RESAMPLES,) of the drawings.

    The interval is stretched to the value where it leaves it out: drawing adds noise to a sum of absolute differences (the
    calibration error), which moves its percentiles up, and rounding may move those of a constant.
    """
    low, high = np.percentile(drawn, _PERCENTILES)
    low, high = min(float(low), value), max(float(high), value)
    return Figure(value=round(value, _DIGITS), low=round(low, _DIGITS), high=round(high, _DIGITS), n=n)


def _times(generator: np.random.Generator, n: int) -> NDArray[np.uint8]:
    """Return how often each face is drawn, (_AT_ONCE, n)."""
    drawn = generator.integers(0, n, (_AT_ONCE, n)) + n * np.arange(_AT_ONCE)[:, None]
    return np.bincount(drawn.ravel(), minlength=_AT_ONCE * n).reshape(_AT_ONCE, n).astype(np.uint8)
