"""Compares the visits that the product counted in a clip with the people who are really seen in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import hypot
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError
from scipy.optimize import linear_sum_assignment

from training.errors import TrainingError
from training.evaluation.bands import NINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from training.evaluation.intervals import Float64
    from training.truth import Box, Person, Truth

START = datetime(2000, 1, 1, tzinfo=UTC)
"""Capture time of the clip's first frame, as the run that is compared must be told (--start)."""

_UNKNOWN = "unknown"
_GENDERS = ("female", "male", _UNKNOWN)
_NEAR_HEIGHTS = 1.0  # a visit begins and ends this near to a person, in heights of the face, or is not theirs


class Visit(BaseModel):
    """What is compared of a visit of `headcount run --json`."""

    visit_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    age: float | None
    age_band: str
    gender: str
    first_box: tuple[float, float, float, float]
    last_box: tuple[float, float, float, float]

    @property
    def first_s(self) -> float:
        """Seconds from the clip's first frame."""
        return (self.started_at - START).total_seconds()

    @property
    def last_s(self) -> float:
        """Seconds from the clip's first frame."""
        return (self.ended_at - START).total_seconds()


class _Run(BaseModel):
    visits: Annotated[list[Visit], Field()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A person and the visit that was counted of them."""

    name: str
    person: Person
    visit: Visit

    @property
    def gender_right(self) -> bool:
        """Whether the visit says what the person appears to be."""
        return self.visit.gender == self.person.gender

    @property
    def band_right(self) -> bool:
        """Whether the visit's age band holds a plausible age."""
        return self.visit.age_band in NINE.names and bool(self.person.bands()[NINE.names.index(self.visit.age_band)] > 0)

    @property
    def years_off(self) -> float | None:
        """How far the estimate lies outside the plausible ages, years; 0: within; None: no age was estimated."""
        low, high = self.person.ages
        return None if self.visit.age is None else max(low - self.visit.age, self.visit.age - high, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Visits against people."""

    pairs: tuple[Pair, ...]
    missed: tuple[str, ...]  # people who should be a visit and are none
    extra: tuple[str, ...]  # visits that are nobody's
    people: int  # who should be a visit
    gender_error: float  # total variation between the true and the counted shares, 0..1: half the sum of the differences; 1: none counted
    band_error: float  # the same of the nine age bands

    @property
    def genders_right(self) -> int:
        """Visits of people who should be one."""
        return sum(pair.gender_right for pair in self.pairs if not pair.person.optional)

    @property
    def bands_right(self) -> int:
        """Visits of people who should be one."""
        return sum(pair.band_right for pair in self.pairs if not pair.person.optional)


def read_visits(document: bytes) -> list[Visit]:
    """Read what `headcount run --json` wrote.

    Raises:
        TrainingError: It is something else.
    """
    try:
        return TypeAdapter(_Run).validate_json(document).visits
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise TrainingError(f"this is not what headcount run --json writes: {where}: {first['msg']}") from None


def compare(truth: Truth, visits: Sequence[Visit]) -> Comparison:
    """Pair each person with at most one visit so that they agree best in time and place, and compare what the visits say.

    Shares are those of the people who should be a visit, and of all visits but those of optional people. A person's plausible
    ages count evenly; a visit without age or gender is of none of the bands, or `unknown`.
    """
    names = list(truth.persons)
    likeness = np.array([[_likeness(truth, name, visit) for visit in visits] for name in names]).reshape(len(names), len(visits))
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    found = [(names[row], visits[column]) for row, column in zip(rows.tolist(), columns.tolist(), strict=True) if likeness[row, column] > 0]
    pairs = tuple(Pair(name=name, person=truth.persons[name], visit=visit) for name, visit in found)
    expected = [name for name in names if not truth.persons[name].optional]
    set_aside = {pair.visit.visit_id for pair in pairs if pair.person.optional}
    counted = [visit for visit in visits if visit.visit_id not in set_aside]
    people = [truth.persons[name] for name in expected]
    paired = {pair.visit.visit_id for pair in pairs}
    return Comparison(
        pairs=pairs,
        missed=tuple(name for name in expected if name not in {pair.name for pair in pairs}),
        extra=tuple(visit.visit_id for visit in visits if visit.visit_id not in paired),
        people=len(expected),
        gender_error=_total_variation(_shares(person.gender for person in people), _shares(visit.gender for visit in counted)),
        band_error=_total_variation(_band_shares([person.bands() for person in people]), _band_shares([_band(visit) for visit in counted])),
    )


def _likeness(truth: Truth, name: str, visit: Visit) -> float:
    """Return 0 where a visit cannot be a person's, else up to 2: the overlap in time, and the nearness at its beginning and end."""
    person = truth.persons[name]
    both = min(person.last_s, visit.last_s) - max(person.first_s, visit.first_s)
    either = max(person.last_s, visit.last_s) - min(person.first_s, visit.first_s)
    if both < 0:
        return 0.0
    ends = ((visit.first_s, visit.first_box), (visit.last_s, visit.last_box))
    apart = [_apart(place, box) for t_s, box in ends if (place := truth.place(name, t_s)) is not None]
    if apart and min(apart) > _NEAR_HEIGHTS:
        return 0.0
    nearness = 1 / (1 + sum(apart) / len(apart)) if apart else 0.0
    return (both / either if either else 1.0) + nearness


def _apart(place: Box, box: Box) -> float:
    """Return the distance of two boxes' centres in heights of the first."""
    across, down = place[0] + place[2] - box[0] - box[2], place[1] + place[3] - box[1] - box[3]
    return hypot(across, down) / 2 / (place[3] - place[1])


def _band(visit: Visit) -> Float64:
    return np.array([visit.age_band == name for name in NINE.names], np.float64)


def _band_shares(bands: Sequence[Float64]) -> Float64:
    """Return the shares (10,) of the nine bands and of none of them."""
    if not bands:
        return np.append(np.zeros(len(NINE.names)), 0.0)
    shares = np.mean(bands, axis=0)
    return np.append(shares, 1 - shares.sum())


def _shares(genders: Iterable[str]) -> Float64:
    counts = np.array(list(genders))
    return np.array([np.mean(counts == name) if len(counts) else 0.0 for name in _GENDERS])


def _total_variation(one: Float64, other: Float64) -> float:
    """Return half the sum of the differences; 1 where only one is of nobody at all, whose shares are all 0."""
    return float((np.abs(one - other).sum() + abs(one.sum() - other.sum())) / 2)
