"""The classifications that labels and estimates allow: gender, bands of years, people of a closed set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import TrainingError
from training.evaluation.bands import ADIENCE, AGE_BINS, GENERATIONS, NINE, UNKNOWN_BAND, adience_bands
from training.evaluation.estimates import tempered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32
    from training.evaluation.bands import Bands
    from training.evaluation.estimates import Estimates
    from training.faces import Faces, Int64

GENDER, GROUPS, ADIENCE_BANDS, SIX_GENERATIONS, BINS, PEOPLE = "gender", "groups", "adience", "generations", "age_bins", "people"
_REPORTED_ELSEWHERE = {SIX_GENERATIONS, BINS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """n faces, each to be put into one of k classes; arrays share their first axis."""

    name: str  # GENDER, GROUPS...
    classes: tuple[str, ...]
    starts: tuple[int, ...]  # (k,) where each class begins in the head's distribution
    truth: Int64  # (n,) class, 0..k-1; -1: not known, and not counted
    head: Float32  # (n, 2, 101, or people + 1) the head's distribution, of genders, years, or people

    @property
    def of_age(self) -> bool:
        """Whether the classes are bands of years: in order, so that one off is nearly right."""
        return self.name not in {GENDER, PEOPLE}

    @property
    def for_comparison(self) -> bool:
        """Whether only the share of right answers is wanted, to set it against what others report (docs/training.md)."""
        return self.name in _REPORTED_ELSEWHERE

    @property
    def probs(self) -> Float32:
        """(n, k) of the classes."""
        return np.add.reduceat(self.head, np.array(self.starts), axis=1)

    @property
    def judged(self) -> Int64:
        """(n,) the likeliest class."""
        return np.asarray(self.probs.argmax(axis=1), np.int64)

    def take(self, chosen: NDArray[Any]) -> Task:
        """Return some of the faces: `chosen` are places, or booleans (n,)."""
        return replace(self, truth=self.truth[chosen], head=self.head[chosen])

    def known(self) -> Task:
        """Return the faces whose class is known."""
        return self.take(self.truth >= 0)

    def tempered(self, temperature: float) -> Task:
        """Return the same with the head's distribution at another temperature."""
        return replace(self, head=tempered(self.head, temperature))


def tasks(faces: Faces, estimates: Estimates) -> tuple[Task, ...]:
    """Return what can be measured: the model estimates it and there are labels of it.

    Raises:
        TrainingError: The faces are of more people than the model knows.
    """
    found = []
    if estimates.knows_gender:
        found.append(Task(name=GENDER, classes=("female", "male"), starts=(0, 1), truth=faces.gender, head=estimates.gender_probs))
    if estimates.knows_age:
        found.append(_of_age(GROUPS, NINE, NINE.of_intervals(faces.age_low, faces.age_high), estimates))
        adience = adience_bands(faces.age_low, faces.age_high)
        if adience is not None:
            found.append(_of_age(ADIENCE_BANDS, ADIENCE, adience, estimates))
        found.append(_of_age(SIX_GENERATIONS, GENERATIONS, GENERATIONS.of_intervals(faces.age_low, faces.age_high), estimates))
        bins = AGE_BINS.of_intervals(faces.age_low, faces.age_high)
        exact = faces.age_low == faces.age_high  # of wider labels only the youngest would fit into a bin
        found.append(_of_age(BINS, AGE_BINS, np.where(exact, bins, UNKNOWN_BAND), estimates))
    if estimates.person_probs is not None:
        found.append(_of_people(faces.person, estimates.person_probs))
    return tuple(task for task in found if (task.truth >= 0).any())


def _of_age(name: str, bands: Bands, truth: Int64, estimates: Estimates) -> Task:
    return Task(name=name, classes=bands.names, starts=bands.starts, truth=truth, head=estimates.age_probs)


def _of_people(person: Int64, probs: Float32) -> Task:
    known = probs.shape[1]
    if person.max(initial=0) >= known:
        raise TrainingError(f"the faces are of {person.max()} people, but the model knows {known - 1}")
    names = ("none", *(f"person {number}" for number in range(1, known)))
    return Task(name=PEOPLE, classes=names, starts=tuple(range(known)), truth=person, head=probs)
