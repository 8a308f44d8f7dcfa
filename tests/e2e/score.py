"""How well counted visits agree with the truth of a clip; may import clip_truth.

A *trail* is one counted visit with the places where its face was seen. At each instant of the truth, trails and visible
faces are matched one to one. A trail belongs to the person whom it matches most often, a person's *main* trail is the one
of theirs with the most matches, and each measure of `Score` follows from that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.e2e.clip_truth import Box, Instant, TrueFace, Truth

NEAR_S = 0.15  # a sight counts for an instant at most this far away
LEAST_IOU = 0.3
NEAR_HEIGHTS = 0.5  # centres nearer than this, in heights of the true face, match whatever the boxes' sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A face seen once."""

    t_s: float  # seconds from the clip's first frame
    xyxy: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One counted visit and its sights."""

    visit_id: str
    sights: tuple[Sight, ...]

    def at(self, t_s: float) -> Sight | None:
        """Return the sight nearest to a time, or None where none is within `NEAR_S`."""
        near = min(self.sights, key=lambda sight: abs(sight.t_s - t_s), default=None)
        return near if near and abs(near.t_s - t_s) <= NEAR_S else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A trail that shows a person at an instant."""

    t_s: float
    visit_id: str
    face: TrueFace


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A trail that went over from one person to another between two of its matches."""

    t_s: float  # of the first match with the other
    visit_id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The agreement of trails with the truth; persons by name, trails by visit."""

    expected: tuple[str, ...]  # persons who should each be one visit
    found: tuple[str, ...]  # those of them whom some trail matches at one instant or more
    mains: Mapping[str, str]  # expected person -> their main trail
    splits: tuple[str, ...]  # trails that belong to an expected person but are not the main one
    false_trails: tuple[str, ...]  # match nobody, although an instant lies near a sight: no face, or one that another trail shows
    set_aside: tuple[str, ...]  # belong to an optional person, or no instant lies near a sight: neither right nor wrong
    swaps: tuple[Swap, ...]  # A to B and back to A are two
    clear_faces: int  # faces in the truth of expected persons that are not hard, over all instants
    clear_matched: int  # those of them that a trail matches

    @property
    def precision(self) -> float:
        """Share of the trails, but those set aside, that are a person's main trail; 0 without any."""
        return _share(len(self.mains), len(self.mains) + len(self.splits) + len(self.false_trails))

    @property
    def recall(self) -> float:
        """Share of the expected persons who have a main trail."""
        return _share(len(self.mains), len(self.expected))

    @property
    def missed(self) -> tuple[str, ...]:
        """Expected persons without a main trail."""
        return tuple(name for name in self.expected if name not in self.mains)


def score(truth: Truth, trails: Iterable[Trail]) -> Score:
    """Compare the counted visits of a clip with its truth."""
    ordered = sorted(trails, key=lambda trail: trail.visit_id)
    matches = [match for instant in truth.instants for match in _match(instant, ordered)]
    owners = _owners(matches)
    mains = _mains(matches, owners, truth.expected)
    splits = tuple(visit for visit, person in owners.items() if person in mains and mains[person] != visit)
    false = tuple(trail.visit_id for trail in ordered if trail.visit_id not in owners and _is_near_an_instant(trail, truth))
    judged = {*mains.values(), *splits, *false}
    seen = {(match.t_s, match.face.person) for match in matches}
    clear = _clear_faces(truth)
    return Score(
        expected=truth.expected,
        found=tuple(name for name in truth.expected if any(name == person for _, person in seen)),
        mains=mains,
        splits=splits,
        false_trails=false,
        set_aside=tuple(trail.visit_id for trail in ordered if trail.visit_id not in judged),
        swaps=tuple(_swaps(matches)),
        clear_faces=len(clear),
        clear_matched=len(clear & seen),
    )


def report(result: Score) -> str:
    """Return the measures as a small table, with the names of whatever went wrong."""
    rows = (
        ("visits of the expected persons", f"{len(result.mains)} of {len(result.expected)}", ", ".join(result.missed)),
        ("found at some instant", f"{len(result.found)} of {len(result.expected)}", ""),
        ("precision of visits", f"{result.precision:.2f}", ""),
        ("recall of visits", f"{result.recall:.2f}", ""),
        ("splits", str(len(result.splits)), ", ".join(result.splits)),
        ("swaps", str(len(result.swaps)), ", ".join(f"{s.before} > {s.after} at {s.t_s:.1f} s" for s in result.swaps)),
        ("false trails", str(len(result.false_trails)), ", ".join(result.false_trails)),
        ("set aside", str(len(result.set_aside)), ", ".join(result.set_aside)),
        ("clear faces matched", f"{result.clear_matched} of {result.clear_faces}", ""),
    )
    return "\n".join(f"{name:<31} {value:>10}  {names}".rstrip() for name, value, names in rows)


def _match(instant: Instant, trails: Sequence[Trail]) -> list[Match]:
    """Pair trails and faces one to one so that the sum of likenesses is highest (Hungarian assignment)."""
    near = [(trail.visit_id, sight) for trail in trails if (sight := trail.at(instant.t_s))]
    likeness = np.array([[_likeness(face.xyxy, sight.xyxy) for face in instant.faces] for _, sight in near])
    if not likeness.size:
        return []
    pairs = zip(*linear_sum_assignment(likeness, maximize=True), strict=True)
    return [Match(t_s=instant.t_s, visit_id=near[i][0], face=instant.faces[j]) for i, j in pairs if likeness[i, j] > 0]


def _likeness(face: Box, seen: Box) -> float:
    """Return 1 + IoU where a sight may be this face, else 0."""
    iou = _iou(face, seen)
    apart = hypot(face[0] + face[2] - seen[0] - seen[2], face[1] + face[3] - seen[1] - seen[3]) / 2
    return 1 + iou if iou >= LEAST_IOU or apart < NEAR_HEIGHTS * (face[3] - face[1]) else 0.0


def _iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _owners(matches: Iterable[Match]) -> dict[str, str]:
    """Return for each matched trail the person whom it matches most often; of equals the first."""
    persons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for match in matches:
        persons[match.visit_id][match.face.person] += 1
    return {visit: counts.most_common(1)[0][0] for visit, counts in persons.items()}


def _mains(matches: Iterable[Match], owners: Mapping[str, str], expected: Sequence[str]) -> dict[str, str]:
    """Return for each expected person the one of their trails that matches them most often; of equals the first."""
    visits: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for match in matches:
        if owners[match.visit_id] == match.face.person:
            visits[match.face.person][match.visit_id] += 1
    return {name: visits[name].most_common(1)[0][0] for name in expected if name in visits}


def _swaps(matches: Iterable[Match]) -> list[Swap]:
    by_visit: defaultdict[str, list[Match]] = defaultdict(list)
    for match in matches:
        by_visit[match.visit_id].append(match)
    return [
        Swap(t_s=after.t_s, visit_id=visit, before=before.face.person, after=after.face.person)
        for visit, own in by_visit.items()
        for before, after in pairwise(own)
        if before.face.person != after.face.person
    ]


def _is_near_an_instant(trail: Trail, truth: Truth) -> bool:
    return any(trail.at(instant.t_s) for instant in truth.instants)


def _clear_faces(truth: Truth) -> set[tuple[float, str]]:
    """Return instant and person of each face of an expected person that is not hard."""
    faces = ((instant.t_s, face) for instant in truth.instants for face in instant.faces)
    return {(t_s, face.person) for t_s, face in faces if face.person in truth.expected and not face.hard}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
