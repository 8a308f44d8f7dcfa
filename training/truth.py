"""Who is really seen in a clip, written down by eye: how old and of which gender people appear, when, and where."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import TrainingError
from training.evaluation.bands import NINE
from training.faces import MAX_AGE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from training.evaluation.intervals import Float64

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom; pixels of the full picture
_Years = Annotated[int, Field(ge=0, le=MAX_AGE)]
_Seconds = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Person(_Part):
    """Somebody whom the clip shows."""

    first_s: _Seconds  # the face is first and last seen, seconds from the clip's first frame
    last_s: _Seconds
    gender: Literal["female", "male"]  # as it appears
    ages: tuple[_Years, _Years]  # the lowest and highest plausible age
    optional: bool = False  # too short to have to be a visit, yet a visit of theirs is not false

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_s > self.last_s or self.ages[0] > self.ages[1]:
            raise ValueError("expected first_s up to last_s, and the lower age first")
        return self

    def bands(self) -> Float64:
        """Return how the plausible ages lie in the nine bands, (9,), summing to 1."""
        edges = np.array([*NINE.starts, MAX_AGE + 1])
        low, high = self.ages[0], self.ages[1] + 1
        years = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
        return np.asarray(years / (high - low), np.float64)


class Face(_Part):
    """Where a person's face is at one instant."""

    xyxy: Box
    hard: bool = False  # a profile, mostly hidden or very small: it may be missed

    @model_validator(mode="after")
    def _upright(self) -> Self:
        left, top, right, bottom = self.xyxy
        if left >= right or top >= bottom:
            raise ValueError("expected left, top, right, bottom: right beyond left, bottom below top")
        return self


class Instant(_Part):
    """Faces that are visible at one time."""

    t_s: _Seconds
    boxes: dict[str, Face]  # by the person's name


class Truth(_Part):
    """A clip's people; the faces' places are not needed, but tell people apart who are there at the same time."""

    clip: str
    width: int = 0
    height: int = 0
    persons: Annotated[dict[str, Person], Field(min_length=1)]
    instants: tuple[Instant, ...] = ()

    @model_validator(mode="after")
    def _of_these_people_in_order(self) -> Self:
        if any(one.t_s >= other.t_s for one, other in pairwise(self.instants)):
            raise ValueError("expected instants in the order of t_s, none twice")
        unknown = sorted({name for instant in self.instants for name in instant.boxes} - set(self.persons))
        if unknown:
            raise ValueError(f"expected boxes of persons only, got one of {unknown[0]!r}")
        return self

    def place(self, person: str, t_s: float) -> Box | None:
        """Return where a face is at a time, between the instants that were looked at; None: nobody wrote it down."""
        seen = [(instant.t_s, instant.boxes[person].xyxy) for instant in self.instants if person in instant.boxes]
        if not seen:
            return None
        times, boxes = np.array([time for time, _ in seen]), np.array([box for _, box in seen])
        left, top, right, bottom = (float(np.interp(t_s, times, boxes[:, side])) for side in range(4))
        return left, top, right, bottom


def load_truth(path: Path) -> Truth:
    """Read a truth file.

    Raises:
        TrainingError: It cannot be read, or does not say what a truth file says.
    """
    try:
        return Truth.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"the truth {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise TrainingError(f"{path} is no truth of a clip: {where}: {first['msg']}") from None
