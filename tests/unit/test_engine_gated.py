"""The engine behind the gate: the same visits for less, and a replay that gives the same rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from pipeline.engine import Engine
from pipeline.state import decode_state
from pipeline.types import Decode
from tests.people import HueDetector, Person, records, segments
from tests.unit.test_engine import CAMERA, SETTINGS, FaultyDetector, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import Detections, Segment, UInt8

EVERYWHERE = [
    Person(hue=0, from_frame=32, to_frame=50, x=10, speed=4),  # comes and goes between keyframes
    Person(hue=2, from_frame=85, to_frame=103, x=230, y=20, speed=-5),
]


@dataclass
class CountingDetector(HueDetector):
    """Counts how often it is asked."""

    asked: Counter[str] = field(default_factory=Counter)

    def detect(self, picture: UInt8) -> Detections:
        self.asked["pictures"] += 1
        return super().detect(picture)


def counting() -> tuple[Run, CountingDetector]:
    detector = CountingDetector()
    return Run(engine=Engine(detector, SETTINGS)), detector


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    """Sixteen seconds of a street that is empty but for two people, a keyframe each second."""
    return segments(tmp_path_factory.mktemp("street") / "street.mp4", EVERYWHERE, 160, CAMERA)


@pytest.fixture(scope="module")
def long_groups(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    """The same with a keyframe every four seconds."""
    return segments(tmp_path_factory.mktemp("street") / "street.mp4", EVERYWHERE, 160, CAMERA, group=40)


def seen(items: Sequence[Segment], how: Decode) -> Run:
    return Run().batch(records([replace(segment, decode=how) for segment in items]))


def totals(run: Run) -> Counter[str]:
    return sum((added.counts for added in run.coverage().values()), Counter())


def test_the_same_people_are_counted_and_the_empty_street_is_not_decoded(street: list[Segment]) -> None:
    plain, gated = seen(street, Decode.ALL), seen(street, Decode.GATED)
    assert [(visit.visit_id, visit.started_at, visit.ended_at, visit.detections) for visit in gated.visits] == [
        (visit.visit_id, visit.started_at, visit.ended_at, visit.detections) for visit in plain.visits
    ]
    assert totals(gated)["frames_decoded"] < 0.9 * totals(plain)["frames_decoded"]
    assert totals(gated)["frames_analysed"] < 0.8 * totals(plain)["frames_analysed"]
    assert totals(gated)["frames_analysed"] + gated.rejected["skipped"] == totals(plain)["frames_analysed"]
    assert [added.seconds for added in gated.coverage().values()] == [added.seconds for added in plain.coverage().values()]


def test_where_keyframes_lie_far_apart_only_the_still_frames_are_not_searched(long_groups: list[Segment]) -> None:
    plain, gated = seen(long_groups, Decode.ALL), seen(long_groups, Decode.GATED)
    assert gated.visits == plain.visits
    assert totals(gated)["frames_decoded"] == totals(plain)["frames_decoded"]
    assert totals(gated)["frames_analysed"] < 0.75 * totals(plain)["frames_analysed"]
    assert totals(gated)["frames_analysed"] + gated.rejected["skipped"] == totals(plain)["frames_analysed"]


def test_the_level_says_what_was_done(street: list[Segment]) -> None:
    for how in Decode:
        assert {minute.level for minute in seen(street, how).minutes if minute.rejected.get("skipped")} <= {how}
    busy = [segment for segment in street if 3 <= (segment.captured_us - street[0].captured_us) / 1e6 < 6]
    assert {minute.level for minute in seen(busy, Decode.GATED).minutes} == {Decode.ALL}


def test_keyframes_alone_lose_people_and_say_so(street: list[Segment]) -> None:
    run = seen(street, Decode.KEYFRAMES)
    assert run.visits == []
    assert totals(run)["frames_decoded"] == totals(run)["frames_analysed"] == 16
    assert run.rejected["skipped"] == 80 - 16
    assert sum(added.seconds.bit_count() for added in run.coverage().values()) == 16


@effort(max_examples=10)
@given(st.data())
def test_what_comes_out_does_not_depend_on_the_batches(street: list[Segment], long_groups: list[Segment], data: st.DataObject) -> None:
    how = data.draw(st.sampled_from(Decode))
    items = data.draw(st.sampled_from([street, long_groups]))
    taken = records([replace(segment, decode=how) for segment in items])
    places = sorted(data.draw(st.sets(st.integers(0, len(taken)))))
    once, often = Run().batch(taken), Run()
    for first, end in zip([0, *places], [*places, len(taken)], strict=True):
        often.batch(taken[first:end])
    assert (often.visits, often.stored, often.dead_letters) == (once.visits, once.stored, once.dead_letters)
    assert often.coverage() == once.coverage()


def test_a_frame_is_searched_once(street: list[Segment]) -> None:
    run, detector = counting()
    run.batch(records([replace(segment, decode=Decode.GATED) for segment in street]))
    assert detector.asked["pictures"] == totals(run)["frames_analysed"]


def test_a_detector_that_fails_while_the_gate_looks_sets_the_segment_aside(street: list[Segment]) -> None:
    run = Run(engine=Engine(FaultyDetector(fails_at=3), SETTINGS))
    run.batch(records([replace(segment, decode=Decode.GATED) for segment in street]))
    (letter,) = run.dead_letters
    assert (letter.reason, letter.sequence) == ("analysis_error", 1)
    assert len(run.visits) == 2


def test_one_whose_face_does_not_move_keeps_the_gate_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    still = Person(hue=1, from_frame=0, to_frame=100, speed=0)
    items = segments(tmp_path_factory.mktemp("poster") / "poster.mp4", [still], 100, CAMERA)
    engine = Engine(HueDetector(), SETTINGS.model_copy(update={"poster_after_s": 1.0}))
    run = Run(engine=engine).batch(records([replace(segment, decode=Decode.GATED) for segment in items[:-1]]))
    assert decode_state(run.stored[CAMERA]).stills
    assert run.rejected["skipped"] == 0
