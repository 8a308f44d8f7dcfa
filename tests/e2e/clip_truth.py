"""Who is really seen in a clip: faces written down by eye at a few instants; imports nothing of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]  # xyxy, pixels of the full picture

TRUTH_DIR = Path(__file__).parent / "truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom the clip shows."""

    name: str  # a few words to tell them apart by
    first_s: float  # the face is first and last seen, seconds from the clip's first frame
    last_s: float
    gender: str  # as it appears: "female" or "male"
    ages: tuple[int, int]  # as it appears: lowest and highest plausible age, years
    optional: bool = False  # True: too short to have to be a visit, yet a visit of theirs is not false


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFace:
    """Where a person's face is at one instant."""

    person: str
    xyxy: Box
    hard: bool  # a profile, mostly hidden or less than 30 pixels high: a detector may miss it


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """All faces that are visible at one time."""

    t_s: float  # seconds from the clip's first frame
    faces: tuple[TrueFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was written down of a clip: a detector's boxes at full resolution, each one named, checked and mended by eye."""

    clip: str  # the file's name
    width_px: int
    height_px: int
    persons: tuple[Person, ...]
    instants: tuple[Instant, ...]  # in order of time

    @property
    def expected(self) -> tuple[str, ...]:
        """Names of the persons who should each be one visit."""
        return tuple(person.name for person in self.persons if not person.optional)


def load_truth(path: Path) -> Truth:
    """Read a truth file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Truth(
        clip=document["clip"],
        width_px=document["width"],
        height_px=document["height"],
        persons=tuple(_person(name, fields) for name, fields in document["persons"].items()),
        instants=tuple(_instant(fields) for fields in document["instants"]),
    )


def _person(name: str, fields: dict[str, Any]) -> Person:
    low, high = fields["ages"]
    return Person(**{**fields, "name": name, "ages": (low, high)})


def _instant(fields: dict[str, Any]) -> Instant:
    return Instant(t_s=fields["t_s"], faces=tuple(_face(name, face) for name, face in fields["boxes"].items()))


def _face(person: str, fields: dict[str, Any]) -> TrueFace:
    left, top, right, bottom = fields["xyxy"]
    return TrueFace(person=person, xyxy=(left, top, right, bottom), hard=fields["hard"])
