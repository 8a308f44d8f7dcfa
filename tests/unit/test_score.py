from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.clip_truth import TRUTH_DIR, Instant, Person, TrueFace, Truth, load_truth
from tests.e2e.score import Sight, Swap, Trail, report, score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.e2e.clip_truth import Box

TIMES = (0.0, 0.2, 0.4, 0.6)
PLACES: dict[str, Box] = {"ann": (100, 100, 140, 150), "bob": (300, 100, 340, 150), "passer": (500, 100, 540, 150)}
NOWHERE: Box = (800, 400, 840, 450)


def person(name: str, *, optional: bool = False) -> Person:
    return Person(name=name, first_s=0.0, last_s=0.6, gender="female", ages=(20, 30), optional=optional)


def instant(t_s: float) -> Instant:
    return Instant(t_s=t_s, faces=tuple(TrueFace(person=name, xyxy=xyxy, hard=name == "bob" and t_s > 0) for name, xyxy in PLACES.items()))


TRUTH = Truth(
    clip="made.mp4",
    width_px=1000,
    height_px=500,
    persons=(person("ann"), person("bob"), person("passer", optional=True)),
    instants=tuple(instant(t_s) for t_s in TIMES),
)


def trail(visit_id: str, boxes: Iterable[Box], times: Sequence[float] = TIMES) -> Trail:
    return Trail(visit_id=visit_id, sights=tuple(Sight(t_s=t_s, xyxy=xyxy) for t_s, xyxy in zip(times, boxes, strict=True)))


ANN = trail("v1", [PLACES["ann"]] * 4)
BOB = trail("v2", [PLACES["bob"]] * 4)


def test_perfect_trails() -> None:
    result = score(TRUTH, [ANN, BOB])
    assert (result.precision, result.recall) == (1, 1)
    assert result.mains == {"ann": "v1", "bob": "v2"}
    assert result.found == ("ann", "bob")
    assert (result.swaps, result.splits, result.false_trails, result.set_aside, result.missed) == ((), (), (), (), ())
    assert (result.clear_matched, result.clear_faces) == (5, 5)


def test_two_trails_that_change_places_are_two_swaps() -> None:
    crossing = [PLACES["ann"]] * 3 + [PLACES["bob"]]
    result = score(TRUTH, [trail("v1", crossing), trail("v2", [PLACES["bob"]] * 3 + [PLACES["ann"]])])
    assert result.swaps == (
        Swap(t_s=0.6, visit_id="v1", before="ann", after="bob"),
        Swap(t_s=0.6, visit_id="v2", before="bob", after="ann"),
    )
    assert (result.precision, result.recall) == (1, 1)


def test_a_person_in_two_trails_is_split() -> None:
    first, rest = trail("v1", [PLACES["ann"]], [0.0]), trail("v3", [PLACES["ann"]] * 3, TIMES[1:])
    result = score(TRUTH, [first, rest, BOB])
    assert result.splits == ("v1",)
    assert result.mains["ann"] == "v3"
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == 1


def test_a_person_without_a_trail_is_missed() -> None:
    result = score(TRUTH, [ANN])
    assert result.missed == ("bob",)
    assert (result.precision, result.recall) == (1, 0.5)
    assert (result.clear_matched, result.clear_faces) == (4, 5)


def test_a_person_whose_only_trail_belongs_to_another_is_found_and_missed() -> None:
    result = score(TRUTH, [trail("v1", [PLACES["ann"]] * 3 + [PLACES["bob"]])])
    assert result.found == ("ann", "bob")
    assert result.missed == ("bob",)


def test_a_trail_where_nobody_is_counts_as_false() -> None:
    result = score(TRUTH, [ANN, BOB, trail("v3", [NOWHERE] * 4)])
    assert result.false_trails == ("v3",)
    assert result.precision == pytest.approx(2 / 3)


def test_a_second_trail_on_the_same_face_is_false() -> None:
    beside = tuple(value + 3 for value in PLACES["ann"])
    result = score(TRUTH, [ANN, BOB, trail("v0", [(beside[0], beside[1], beside[2], beside[3])] * 4)])
    assert result.false_trails == ("v0",)
    assert result.mains["ann"] == "v1"


def test_trails_of_optional_persons_and_between_instants_are_set_aside() -> None:
    passer, late = trail("v3", [PLACES["passer"]] * 2, TIMES[:2]), trail("v4", [NOWHERE], [0.76])
    result = score(TRUTH, [ANN, BOB, passer, late])
    assert result.set_aside == ("v3", "v4")
    assert result.precision == 1


def test_no_trails_have_neither_precision_nor_recall() -> None:
    result = score(TRUTH, [])
    assert (result.precision, result.recall, result.missed) == (0, 0, ("ann", "bob"))


@pytest.mark.parametrize(
    ("seen", "matches"),
    [
        ((100, 100, 140, 150), True),
        ((80, 60, 160, 190), True),  # IoU 0.19, the same centre
        ((100, 124, 140, 174), True),  # IoU 0.35, centres 0.48 heights apart
        ((100, 130, 140, 180), False),  # IoU 0.25, centres 0.6 heights apart
        ((110, 115, 120, 125), True),  # IoU 0.04, centres 0.1 heights apart
        ((100, 100, 190, 150), True),  # IoU 0.44, centres 0.5 heights apart
    ],
)
def test_a_sight_matches_by_overlap_or_by_its_centre(seen: Box, *, matches: bool) -> None:
    result = score(TRUTH, [trail("v1", [seen], [0.0])])
    assert (result.found == ("ann",)) is matches


@pytest.mark.parametrize(("t_s", "found"), [(0.74, True), (0.76, False)])
def test_a_sight_counts_for_instants_near_in_time(t_s: float, *, found: bool) -> None:
    assert bool(score(TRUTH, [trail("v1", [PLACES["ann"]], [t_s])]).found) is found


def test_the_report_names_what_went_wrong() -> None:
    swapped = trail("v1", [PLACES["ann"]] * 3 + [PLACES["passer"]])
    table = report(score(TRUTH, [swapped, trail("v3", [NOWHERE] * 4)]))
    assert "1 of 2  bob" in table
    assert "ann > passer at 0.6 s" in table
    assert "v3" in table


@given(st.lists(st.lists(st.sampled_from([*PLACES.values(), NOWHERE]), min_size=4, max_size=4), max_size=5))
def test_each_trail_gets_one_verdict(paths: list[list[Box]]) -> None:
    trails = [trail(f"v{i}", boxes) for i, boxes in enumerate(paths)]
    result = score(TRUTH, trails)
    verdicts = [*result.mains.values(), *result.splits, *result.false_trails, *result.set_aside]
    assert sorted(verdicts) == [trail.visit_id for trail in trails]
    assert set(result.mains) <= set(result.found)
    assert score(TRUTH, reversed(trails)) == result


CLIPS = {"arcade": 10, "walking-and-pause": 3, "two-heads": 2}


@pytest.mark.parametrize("name", CLIPS)
def test_the_truth_files_agree_with_themselves(name: str) -> None:
    truth = load_truth(TRUTH_DIR / f"{name}.json")
    persons = {person.name: person for person in truth.persons}
    assert len(truth.expected) == CLIPS[name]
    assert [i.t_s for i in truth.instants] == sorted({i.t_s for i in truth.instants})
    for instant in truth.instants:
        for face in instant.faces:
            left, top, right, bottom = face.xyxy
            assert 0 <= left < right <= truth.width_px
            assert 0 <= top < bottom <= truth.height_px
            assert face.hard or bottom - top >= 30
            assert persons[face.person].first_s <= instant.t_s <= persons[face.person].last_s


@pytest.mark.parametrize("name", CLIPS)
def test_trails_made_of_the_truth_score_full_marks(name: str) -> None:
    truth = load_truth(TRUTH_DIR / f"{name}.json")
    sights = [(face.person, Sight(t_s=i.t_s, xyxy=face.xyxy)) for i in truth.instants for face in i.faces]
    trails = [Trail(visit_id=p.name, sights=tuple(sight for owner, sight in sights if owner == p.name)) for p in truth.persons]
    result = score(truth, trails)
    assert (result.precision, result.recall, result.swaps) == (1, 1, ())
    assert result.clear_matched == result.clear_faces
    halves = [replace(t, visit_id=f"{t.visit_id}-{k}", sights=t.sights[k::2]) for t in trails for k in (0, 1)]
    assert len(score(truth, halves).splits) == len(truth.expected)
