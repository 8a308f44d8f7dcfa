"""The classifications that labels and estimates allow: gender, nine age groups, Adience's eight bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.bands import ADIENCE, NINE, adience_bands
from training.evaluation.estimates import tempered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32
    from training.evaluation.bands import Bands
    from training.evaluation.estimates import Estimates
    from training.faces import Faces, Int64

GENDER, GROUPS, ADIENCE_BANDS = "gender", "groups", "adience"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """n faces, each to be put into one of k classes; arrays share their first axis."""

    name: str  # GENDER, GROUPS, ADIENCE_BANDS
    classes: tuple[str, ...]
    starts: tuple[int, ...]  # (k,) where each class begins in the head's distribution
    truth: Int64  # (n,) class, 0..k-1; -1: not known, and not counted
    head: Float32  # (n, 2 or 101) the head's distribution, of genders or of years

    @property
    def of_age(self) -> bool:
        """Whether the classes are bands of years: in order, so that one off is nearly right."""
        return self.name != GENDER

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
    """Return what can be measured: the model estimates it and there are labels of it."""
    found = []
    if estimates.knows_gender:
        found.append(Task(name=GENDER, classes=("female", "male"), starts=(0, 1), truth=faces.gender, head=estimates.gender_probs))
    if estimates.knows_age:
        found.append(_of_age(GROUPS, NINE, NINE.of_intervals(faces.age_low, faces.age_high), estimates))
        adience = adience_bands(faces.age_low, faces.age_high)
        if adience is not None:
            found.append(_of_age(ADIENCE_BANDS, ADIENCE, adience, estimates))
    return tuple(task for task in found if (task.truth >= 0).any())


def _of_age(name: str, bands: Bands, truth: Int64, estimates: Estimates) -> Task:
    return Task(name=name, classes=bands.names, starts=bands.starts, truth=truth, head=estimates.age_probs)
