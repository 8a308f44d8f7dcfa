"""What a model says of n faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.types import Float32

_EVEN = 1e-4  # probabilities that differ by less say nothing
_LEAST = 1e-12  # of a probability, before its logarithm is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The model's distributions; arrays share their first axis."""

    age_probs: Float32  # (n, 101) years 0..100
    gender_probs: Float32  # (n, 2) female, male
    person_probs: Float32 | None = None  # (n, people + 1) none of a closed set, then each; None: the model knows nobody

    def __len__(self) -> int:
        """Return n."""
        return len(self.age_probs)

    @property
    def ages(self) -> Float32:
        """(n,) the expected years."""
        return np.asarray(self.age_probs @ np.arange(self.age_probs.shape[1]), np.float32)

    @property
    def knows_age(self) -> bool:
        """Whether ages are estimated at all: a model of gender alone spreads them evenly."""
        return _says_something(self.age_probs)

    @property
    def knows_gender(self) -> bool:
        """Whether genders are estimated at all."""
        return _says_something(self.gender_probs)

    def take(self, chosen: NDArray[Any]) -> Estimates:
        """Return some of them: `chosen` are places, or booleans (n,)."""
        people = None if self.person_probs is None else self.person_probs[chosen]
        return Estimates(age_probs=self.age_probs[chosen], gender_probs=self.gender_probs[chosen], person_probs=people)


def joined(parts: Sequence[Estimates]) -> Estimates:
    """Return the estimates of one model for one batch after the other; at least one."""
    people = [part.person_probs for part in parts if part.person_probs is not None]
    return Estimates(
        age_probs=np.concatenate([part.age_probs for part in parts]),
        gender_probs=np.concatenate([part.gender_probs for part in parts]),
        person_probs=np.concatenate(people) if people else None,
    )


def tempered(probs: Float32, temperature: float) -> Float32:
    """Return the distributions (n, k) as a softmax of another temperature gives them: above 1 flatter, below 1 sharper."""
    logits = np.log(np.maximum(probs, _LEAST)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _says_something(probs: Float32) -> bool:
    return bool(np.ptp(probs, axis=1).max(initial=0) > _EVEN)
