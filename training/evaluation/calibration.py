"""Whether probabilities mean what they say: reliability, expected calibration error, and one temperature that mends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from training.evaluation.intervals import SEED, figure, means
from training.evaluation.measures import likelihoods
from training.evaluation.report import Bin, Calibration, Reliability

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.evaluation.intervals import Figure, Float64, Resamples
    from training.evaluation.tasks import Task
    from training.faces import Int64

BINS = 20
"""Of equal width, 0 to 1."""

_TEMPERATURES = (0.1, 10.0)
_TRIALS_BY_CHANCE = 200


def calibration(task: Task, resamples: Resamples, temperature: float | None) -> Calibration:
    """Return how reliable a task's probabilities are, as they are and with a temperature.

    Args:
        task: Faces whose class is known.
        resamples: Of these faces.
        temperature: Of the head; None: the likeliest on these faces. One parameter on hundreds of faces flatters nobody.
    """
    fitted = temperature is None
    chosen = fit_temperature(task) if temperature is None else temperature
    return Calibration(
        temperature=round(chosen, 4),
        fitted=fitted,
        before=reliability(task, resamples),
        after=reliability(task.tempered(chosen), resamples),
    )


def fit_temperature(task: Task) -> float:
    """Return the temperature of the head that makes the known classes likeliest (Guo et al., "On Calibration", 2017)."""
    known = task.known()

    def loss(log_temperature: float) -> float:
        return float(-np.log(likelihoods(known.tempered(float(np.exp(log_temperature))))).mean())

    low, high = np.log(_TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-3}).x))


def reliability(task: Task, resamples: Resamples) -> Reliability:
    """Return the reliability of faces whose class is known."""
    confidence, right, place = _binned(task)
    return Reliability(
        bins=tuple(_bin(number, confidence[place == number], right[place == number]) for number in np.unique(place).tolist()),
        ece=calibration_error(task, resamples),
        ece_by_chance=_by_chance(confidence, place),
        nll=means({"nll": -np.log(likelihoods(task))}, resamples)["nll"],
    )


def calibration_error(task: Task, resamples: Resamples) -> Figure:
    """Return the expected calibration error: over the bins, the mean difference of confidence and accuracy.

    Args:
        task: n faces; those whose class is not known do not count.
        resamples: Of these n faces.
    """
    known = task.truth >= 0
    confidence, right, place = _binned(task)
    gaps = np.zeros((len(confidence), BINS + 1))
    gaps[np.arange(len(place)), place] = np.where(known, confidence - right, 0)
    gaps[:, BINS] = known
    drawn = resamples.sums(gaps)
    value = np.abs(gaps[:, :BINS].sum(axis=0)).sum() / known.sum()
    return figure(float(value), np.abs(drawn[:, :BINS]).sum(axis=1) / drawn[:, BINS], int(known.sum()))


def _binned(task: Task) -> tuple[Float64, NDArray[np.bool_], Int64]:
    """Return the likeliest class's probability, whether it is right, and its bin; each (n,)."""
    probs = task.probs
    confidence = np.minimum(probs.max(axis=1).astype(np.float64), 1)
    return confidence, probs.argmax(axis=1) == task.truth, np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def _bin(number: int, confidence: Float64, right: NDArray[np.bool_]) -> Bin:
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        n=len(right),
        confidence=round(float(confidence.mean()), 5),
        accuracy=round(float(right.mean()), 5),
    )


def _by_chance(confidence: Float64, place: Int64) -> float:
    """Return the mean calibration error of faces whose classes are drawn as the probabilities say (Bröcker and Smith, 2007)."""
    generator = np.random.default_rng(SEED)
    errors = []
    for _ in range(_TRIALS_BY_CHANCE):
        gap = confidence - (generator.random(len(confidence)) < confidence)
        errors.append(np.abs(np.bincount(place, gap, BINS)).sum() / len(confidence))
    return round(float(np.mean(errors)), 5)
