"""The classifications that labels and estimates allow: gender, nine age groups, Adience's eight bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.bands import ADIENCE, NINE, Bands, adience_bands
from training.evaluation.estimates import tempered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32
    from training.evaluation.estimates import Estimates
    from training.faces import Faces, Int64

GENDERS = ("female", "male")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """n faces, each to be put into one of k classes; arrays share their first axis."""

    name: str  # "gender", "groups", "adience"
    classes: tuple[str, ...]
    ordered: bool  # whether to be one class off is nearly right
    truth: Int64  # (n,) class, 0..k-1; all are known
    probs: Float32  # (n, k)
    places: Int64  # (n,) which of all faces these are

    @property
    def judged(self) -> Int64:
        """(n,) the likeliest class."""
        return self.probs.argmax(axis=1)

    def take(self, chosen: NDArray[Any]) -> Task:
        """Return the faces that are chosen: `chosen` are booleans, one for each of all faces."""
        kept = chosen[self.places]
        return replace(self, truth=self.truth[kept], probs=self.probs[kept], places=(np.cumsum(chosen) - 1)[self.places[kept]])
