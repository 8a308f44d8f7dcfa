"""Counted visits against the people who are seen."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Settings
from training.commands.visits import without_keeping
from training.errors import TrainingError
from training.truth import Instant, Person, Truth, load_truth
from training.visits import START, Visit, compare, read_visits

if TYPE_CHECKING:
    from training.truth import Box

TRUTHS = sorted((Path(__file__).parents[1] / "e2e" / "truth").glob("*.json"))
LEFT, RIGHT = (0.0, 0.0, 40.0, 50.0), (500.0, 0.0, 540.0, 50.0)
WOMAN = Person(first_s=0, last_s=4, gender="female", ages=(25, 35))
MAN = Person(first_s=0, last_s=4, gender="male", ages=(60, 69))
PASSING = Person(first_s=0, last_s=0.3, gender="male", ages=(40, 50), optional=True)


def truth(**persons: Person) -> Truth:
    """Return a truth without places."""
    return Truth(clip="clip.mp4", persons=persons)


def visit(number: int, gender: str, age: float | None, seconds: tuple[float, float] = (0, 4), box: Box = LEFT) -> Visit:
    bands = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
    band = "unknown" if age is None else bands[int(np.searchsorted([3, 10, 20, 30, 40, 50, 60, 70], age, side="right"))]
    return Visit(
        visit_id=str(number),
        started_at=START + timedelta(seconds=seconds[0]),
        ended_at=START + timedelta(seconds=seconds[1]),
        age=age,
        age_band=band,
        gender=gender,
        first_box=box,
        last_box=box,
    )


def with_instants(boxes: list[tuple[float, str, list[float]]]) -> bytes:
    """Return the truth of somebody called b, with a box of somebody at each time."""
    instants = [{"t_s": t_s, "boxes": {name: {"xyxy": xyxy}}} for t_s, name, xyxy in boxes]
    person = {"first_s": 0, "last_s": 1, "gender": "male", "ages": [1, 2]}
    return json.dumps({"clip": "a", "persons": {"b": person}, "instants": instants}).encode()


def test_everybody_right() -> None:
    known = truth(woman=WOMAN, man=MAN.model_copy(update={"first_s": 5, "last_s": 9}))
    found = compare(known, [visit(1, "female", 30), visit(2, "male", 65, (5, 9))])
    assert (found.genders_right, found.bands_right, found.missed, found.extra) == (2, 2, (), ())
    assert found.gender_error == 0
    assert found.band_error == pytest.approx(0.25, abs=0.03)  # the woman's ages lie in two bands, her visit in one
    assert [pair.years_off for pair in found.pairs] == [0, 0]


def test_who_is_there_at_the_same_time_is_told_apart_by_the_place() -> None:
    place = {"woman": {"xyxy": LEFT}, "man": {"xyxy": RIGHT}}
    known = Truth(clip="clip.mp4", persons={"woman": WOMAN, "man": MAN}, instants=(Instant.model_validate({"t_s": 1, "boxes": place}),))
    visits = [visit(1, "male", 66, box=RIGHT), visit(2, "female", 25, box=LEFT)]
    assert {pair.name: pair.visit.visit_id for pair in compare(known, visits).pairs} == {"woman": "2", "man": "1"}


def test_a_visit_elsewhere_is_nobodys() -> None:
    known = Truth(
        clip="clip.mp4", persons={"woman": WOMAN}, instants=(Instant.model_validate({"t_s": 1, "boxes": {"woman": {"xyxy": LEFT}}}),)
    )
    found = compare(known, [visit(1, "female", 30, box=RIGHT)])
    assert (found.missed, found.extra, found.genders_right) == (("woman",), ("1",), 0)


def test_who_is_missed_and_what_nobody_is_counts_in_the_shares() -> None:
    found = compare(truth(woman=WOMAN), [visit(1, "male", 65, (10, 12))])
    assert (found.missed, found.extra) == (("woman",), ("1",))
    assert (found.gender_error, found.band_error) == (1, 1)


def test_nothing_counted_is_all_wrong() -> None:
    found = compare(truth(woman=WOMAN), [])
    assert (found.missed, found.genders_right) == (("woman",), 0)
    assert (found.gender_error, found.band_error) == (1, 1)


def test_nobody_to_count_and_nobody_counted_is_right() -> None:
    found = compare(truth(passing=PASSING), [])
    assert (found.people, found.gender_error, found.band_error) == (0, 0, 0)


def test_a_clip_is_not_counted_into_a_database_or_kafka(tmp_path: Path) -> None:
    config = tmp_path / "headcount.toml"
    config.write_text('detector = "mtcnn"\n', encoding="utf-8")
    harmless = {"PATH": "/bin", "HEADCOUNT_MODEL": "dex", "HEADCOUNT_TRITON_URL": "triton:8001", "HEADCOUNT_CONFIG": str(config)}
    names = [f"HEADCOUNT_{name.upper()}" for name in Settings.model_fields if name == "database_url" or name.startswith("kafka_")]
    assert len(names) > 5
    keeping = {spelt: "x" for name in names for spelt in (name, name.lower())}  # pydantic-settings heeds no case
    assert without_keeping(harmless | keeping) == harmless
    config.write_text('database_url = "postgresql://db/x"\n', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"headcount\.toml sets database_url: a clip is not counted into a database"):
        without_keeping(harmless)


def test_unknown_is_not_right_and_takes_its_share() -> None:
    found = compare(truth(woman=WOMAN, man=MAN), [visit(1, "unknown", None), visit(2, "male", 61)])
    assert (found.genders_right, found.bands_right) == (1, 1)
    assert found.gender_error == pytest.approx(0.5)


def test_who_need_not_be_counted_is_neither_missed_nor_wrong() -> None:
    found = compare(truth(woman=WOMAN, passing=PASSING), [visit(1, "female", 31)])
    assert (found.people, found.missed, found.gender_error) == (1, (), 0)
    found = compare(truth(woman=WOMAN, passing=PASSING), [visit(1, "female", 31), visit(2, "female", 80, (0, 0.3))])
    assert (found.extra, found.gender_error, found.genders_right) == ((), 0, 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["female", "male", "unknown"]),
            st.none() | st.floats(0, 100),
            st.floats(0, 9),
            st.floats(0, 5),
            st.sampled_from([LEFT, RIGHT]),
        ),
        max_size=6,
    )
)
def test_shares_are_shares_and_the_order_of_visits_says_nothing(
    rows: list[tuple[str, float | None, float, float, Box]],
) -> None:
    visits = [visit(number, gender, age, (first, first + longer), box) for number, (gender, age, first, longer, box) in enumerate(rows)]
    known = truth(woman=WOMAN, man=MAN, passing=PASSING)
    found = compare(known, visits)
    assert 0 <= found.gender_error <= 1
    assert 0 <= found.band_error <= 1 + 1e-9
    assert len(found.pairs) + len(found.extra) == len(visits)
    assert found.genders_right <= found.people - len(found.missed)
    again = compare(known, visits[::-1])
    assert len(again.pairs) == len(found.pairs)


@pytest.mark.parametrize("path", TRUTHS, ids=lambda path: path.stem)
def test_the_truths_of_the_clips_can_be_read(path: Path) -> None:
    known = load_truth(path)
    assert all(person.bands().sum() == pytest.approx(1) for person in known.persons.values())
    assert all(name in known.persons for instant in known.instants for name in instant.boxes)


def test_places_are_between_the_instants() -> None:
    boxes = [{"t_s": t_s, "boxes": {"woman": {"xyxy": box}}} for t_s, box in ((1, LEFT), (3, RIGHT))]
    known = Truth.model_validate({"clip": "clip.mp4", "persons": {"woman": WOMAN.model_dump()}, "instants": boxes})
    assert known.place("woman", 2) == (250, 0, 290, 50)
    assert known.place("woman", 9) == RIGHT
    assert known.place("nobody", 2) is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is no truth of a clip: : Invalid JSON"),
        (b'{"clip": "a"}', "persons: Field required"),
        (b'{"clip": "a", "persons": {}}', "persons: Dictionary should have at least 1 item"),
        (
            b'{"clip": "a", "persons": {"b": {"first_s": 2, "last_s": 1, "gender": "male", "ages": [1, 2]}}}',
            "persons.b: .*first_s up to last_s",
        ),
        (
            b'{"clip": "a", "persons": {"b": {"first_s": 0, "last_s": 1, "gender": "x", "ages": [1, 2]}}}',
            "persons.b.gender: Input should be",
        ),
        (
            b'{"clip": "a", "persons": {"b": {"first_s": 0, "last_s": 1, "gender": "male", "ages": [1, 200]}}}',
            "persons.b.ages.1: .*less than",
        ),
        (with_instants([(1, "b", [0, 0, 4, 4]), (0.5, "b", [0, 0, 4, 4])]), ": .*instants in the order of t_s"),
        (with_instants([(1, "b", [0, 0, 4, 4]), (1, "b", [0, 0, 4, 4])]), ": .*instants in the order of t_s"),
        (with_instants([(1, "c", [0, 0, 4, 4])]), ": .*boxes of persons only, got one of 'c'"),
        (with_instants([(1, "b", [0, 4, 4, 4])]), "instants.0.boxes.b: .*bottom below top"),
        (with_instants([(1, "b", [0, 4, 4, 0])]), "instants.0.boxes.b: .*bottom below top"),
        (with_instants([(1, "b", [4, 0, 4, 4])]), "instants.0.boxes.b: .*right beyond left"),
        (with_instants([(1, "b", [0, 0, 4, float("nan")])]), "instants.0.boxes.b.xyxy.3: .*finite number"),
        (with_instants([(float("inf"), "b", [0, 0, 4, 4])]), "instants.0.t_s: .*finite number"),
    ],
)
def test_a_file_that_is_no_truth_is_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "truth.json").write_bytes(content)
    with pytest.raises(TrainingError, match=complaint) as caught:
        load_truth(tmp_path / "truth.json")
    assert "\n" not in str(caught.value)


def test_what_headcount_has_not_written_is_one_line() -> None:
    with pytest.raises(TrainingError, match=r"this is not what headcount run --json writes: visits: Field required"):
        read_visits(b"{}")
