"""The engine over real, small videos whose people are squares of one hue."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from pipeline.engine import Engine
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.state import decode_state
from pipeline.types import Record, Segment, SegmentKind, StoredRecord, to_us
from tests.people import HueClassifier, HueDetector, Person, records, segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from pipeline.types import BatchResult, CoverageMinute, DeadLetter, Detections, UInt8, Visit

CAMERA, OTHER = UUID(int=1), UUID(int=2)
SETTINGS = Settings()
DAMAGED = Record(headers=(("schema", b"1"),), value=b"damaged")
_COUNTERS = ("segments", "frames_decoded", "frames_analysed", "detections")


@dataclass
class Added:
    """A row of coverage, to which batches add."""

    seconds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, minute: CoverageMinute) -> None:
        self.seconds |= minute.seconds
        self.counts.update({name: getattr(minute, name) for name in _COUNTERS})
        self.rejected.update(minute.rejected)


@dataclass
class Run:
    """Records through the engine, the states stored and loaded between batches as a database would."""

    engine: Engine = field(default_factory=lambda: Engine(HueDetector(), SETTINGS))
    stored: dict[UUID, bytes] = field(default_factory=dict)
    results: list[BatchResult] = field(default_factory=list)
    offset: int = 0

    def batch(self, taken: Sequence[Record]) -> Run:
        states = {camera_id: decode_state(data) for camera_id, data in self.stored.items()}
        numbered = [StoredRecord(partition=3, offset=self.offset + index, record=record) for index, record in enumerate(taken)]
        seen = self.engine.observe(states, numbered)
        self.offset += len(taken)
        assert seen.next_offset == (self.offset if taken else 0)
        conclusion = self.engine.conclude(seen, HueClassifier().classify(seen.crops))
        self.results.append(conclusion.result)
        for camera_id, state in conclusion.result.states.items():
            if state is None:
                self.stored.pop(camera_id, None)
            else:
                self.stored[camera_id] = state
        assert {camera_id: decode_state(data) for camera_id, data in self.stored.items()} == conclusion.states
        return self

    @property
    def visits(self) -> list[Visit]:
        return sorted((visit for result in self.results for visit in result.visits), key=lambda visit: visit.visit_id)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [letter for result in self.results for letter in result.dead_letters]

    @property
    def minutes(self) -> list[CoverageMinute]:
        return [minute for result in self.results for minute in result.coverage]

    @property
    def rejected(self) -> Counter[str]:
        return sum((Counter(minute.rejected) for minute in self.minutes), Counter())

    def coverage(self) -> dict[tuple[UUID, datetime], Added]:
        """Return the coverage as the database adds it up."""
        added: dict[tuple[UUID, datetime], Added] = defaultdict(Added)
        for minute in self.minutes:
            added[minute.camera_id, minute.minute].add(minute)
        return added


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    """Twelve seconds: the red one walks through, the green one comes for half a second only, the blue one comes later."""
    people = [
        Person(hue=0, from_frame=5, to_frame=45, x=10, speed=4),
        Person(hue=1, from_frame=30, to_frame=33, x=200, y=150, speed=0),
        Person(hue=2, from_frame=80, to_frame=118, x=230, y=20, speed=-5),
    ]
    return segments(tmp_path_factory.mktemp("street") / "street.mp4", people, 120, CAMERA)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    """Six seconds in which the green one stays."""
    return segments(tmp_path_factory.mktemp("shop") / "shop.mp4", [Person(hue=1, from_frame=0, to_frame=60, speed=1)], 60, OTHER)


def test_each_person_is_a_visit_with_own_labels_and_times(street: list[Segment]) -> None:
    run = Run().batch(records(street))
    red, blue = sorted(run.visits, key=lambda visit: visit.started_at)
    start_us = street[0].captured_us
    assert (to_us(red.started_at) - start_us, to_us(red.ended_at) - start_us) == (600_000, 4_400_000)
    assert (to_us(blue.started_at) - start_us, to_us(blue.ended_at) - start_us) == (8_000_000, 11_600_000)
    assert [red.age, blue.age] == pytest.approx([25, 65])
    assert [(visit.gender, visit.age_band) for visit in (red, blue)] == [("female", "20-29"), ("female", "60-69")]
    assert (red.detections, red.observations) == (20, 5)  # a crop for each whole second of stream time and each record
    assert (red.camera_id, red.session, red.model, red.detector) == (CAMERA, street[0].session, "hues:1", "hue-1")
    assert red.first_box == pytest.approx((14, 60, 70, 116), abs=2)
    assert run.rejected["unconfirmed"] == 1
    assert run.stored == {}


def test_coverage_is_all_that_was_shown(street: list[Segment]) -> None:
    run = Run().batch(records(street))
    (minute,) = run.coverage().values()
    assert minute.seconds.bit_count() == 12
    assert minute.counts == {"segments": len(street) - 1, "frames_decoded": 108, "frames_analysed": 60, "detections": 20 + 19 + 2}


def mixed(street: list[Segment], shop: list[Segment]) -> list[Record]:
    """Return two cameras' records as a partition has them: interleaved, with a repeat, a gap record and a damaged record."""
    one, other = records(street), records(shop)
    gap = replace(street[-1], kind=SegmentKind.GAP, sequence=street[-1].sequence, captured_us=street[-1].captured_us + 1_000_000)
    end = replace(street[-1], sequence=street[-1].sequence + 1)
    return [one[0], other[0], one[1], one[1], other[1], DAMAGED, one[2], *other[2:], *one[3:-1], to_record(gap), to_record(end)]


@effort(max_examples=12)
@given(st.data())
def test_what_comes_out_does_not_depend_on_the_batches(street: list[Segment], shop: list[Segment], data: st.DataObject) -> None:
    taken = mixed(street, shop)
    places = sorted(data.draw(st.sets(st.integers(0, len(taken)))))
    until = data.draw(st.integers(0, len(taken)))
    once, often = Run().batch(taken[:until]), Run()
    for first, end in zip([0, *places], [*places, len(taken)], strict=True):
        often.batch(taken[first : min(end, until)] if first < until else [])
    assert often.visits == once.visits
    assert often.stored == once.stored
    assert often.dead_letters == once.dead_letters
    assert often.coverage() == once.coverage()


def test_a_replay_into_a_new_engine_gives_the_same_rows(street: list[Segment], shop: list[Segment]) -> None:
    taken = mixed(street, shop)
    assert Run().batch(taken).results == Run().batch(taken).results


def test_repeats_are_dropped_and_counted(street: list[Segment]) -> None:
    one = records(street)
    plain, repeated = Run().batch(one), Run().batch([one[0], one[0], one[1], one[0], *one[2:]])
    assert repeated.visits == plain.visits
    assert repeated.rejected - plain.rejected == Counter(repeat=2)


def test_a_damaged_record_is_set_aside_and_the_rest_goes_on(street: list[Segment]) -> None:
    one = records(street)
    damaged = replace(one[3], value=bytes([one[3].value[0] ^ 1]) + one[3].value[1:])
    run = Run().batch([*one[:3], damaged, DAMAGED, *one[4:]])
    assert [(letter.partition, letter.offset, letter.reason) for letter in run.dead_letters] == [(3, 3, "checksum"), (3, 4, "bad_header")]
    assert len(run.visits) == 2


def test_a_segment_that_cannot_be_opened_is_set_aside_with_its_coordinates(street: list[Segment]) -> None:
    garbage = replace(street[1], payload=b"no video at all")
    run = Run().batch(records([street[0], garbage, *street[2:]]))
    (letter,) = run.dead_letters
    assert (letter.reason, letter.offset, letter.camera_id, letter.sequence) == ("not_openable", 1, CAMERA, 1)
    assert (letter.session, letter.captured_us) == (garbage.session, garbage.captured_us)
    (minute,) = run.coverage().values()
    assert minute.seconds.bit_count() == 12 - round(garbage.duration_us / 1e6)


def test_the_end_forgets_the_camera(street: list[Segment]) -> None:
    run = Run().batch(records(street[:-1]))
    assert set(run.stored) == {CAMERA}
    assert run.batch(records(street[-1:])).results[-1].states == {CAMERA: None}
    assert run.stored == {}


def test_a_new_session_closes_the_tracks_of_the_one_before(shop: list[Segment]) -> None:
    reconnected = [replace(segment, session=segment.session + 1, captured_us=segment.captured_us + 3_600_000_000) for segment in shop]
    run = Run().batch(records(shop[:-1]))
    assert run.visits == []
    run.batch(records(reconnected))
    assert [visit.session for visit in sorted(run.visits, key=lambda visit: visit.started_at)] == [shop[0].session, shop[0].session + 1]


def test_a_gap_record_closes_tracks_and_drops_what_comes_late(shop: list[Segment]) -> None:
    gap = replace(shop[-1], kind=SegmentKind.GAP, sequence=1, captured_us=shop[-2].end_us + 60_000_000)
    late = replace(shop[1], sequence=2)
    run = Run().batch(records([shop[0], gap]))
    assert len(run.visits) == 1
    assert run.batch(records([late])).rejected["late_frame"] > 0
    assert len(run.visits) == 1


def test_another_picture_size_ends_the_tracks(shop: list[Segment], tmp_path_factory: pytest.TempPathFactory) -> None:
    person = Person(hue=1, from_frame=0, to_frame=30, speed=1)
    wide = segments(tmp_path_factory.mktemp("wide") / "wide.mp4", [person], 30, OTHER, size_wh=(400, 240))
    shift_us = shop[-2].end_us - wide[0].captured_us
    after = [
        replace(segment, session=shop[0].session, sequence=10 + index, captured_us=segment.captured_us + shift_us)
        for index, segment in enumerate(wide)
    ]
    run = Run().batch(records([*shop[:-1], *after]))
    first, second = sorted(run.visits, key=lambda visit: visit.started_at)
    assert to_us(first.ended_at) < after[0].captured_us <= to_us(second.started_at)


def test_a_state_of_an_unknown_version_closes_its_tracks_as_visits(shop: list[Segment]) -> None:
    plain = Run().batch(records(shop))
    run = Run().batch(records(shop[:1]))
    (before,) = decode_state(run.stored[OTHER]).tracks
    _, tracks, _ = msgpack.unpackb(run.stored[OTHER], use_list=False)
    run.stored[OTHER] = msgpack.packb((99, tuple((visit, "new") for visit, _ in tracks), "another form"))
    run.batch(records(shop[1:]))
    first, second = sorted(run.visits, key=lambda visit: visit.started_at)
    assert first.visit_id == before.visit_id == plain.visits[0].visit_id
    assert (to_us(first.ended_at), first.observations) == (before.last_us, before.sums.observations)
    assert to_us(second.started_at) > before.last_us
    assert run.rejected["state_version"] == 1


@pytest.mark.parametrize("captured_us", [-(10**19), -(10**18), -1, 0, 2 * 10**17, 10**18, 10**19])
@pytest.mark.parametrize("kind", SegmentKind)
def test_no_capture_time_fells_the_engine(street: list[Segment], kind: SegmentKind, captured_us: int) -> None:
    segment = street[0] if kind is SegmentKind.GOP else replace(street[-1], kind=kind)
    run = Run().batch([_forged(segment, "captured_us", captured_us)])
    assert [letter.reason for letter in run.dead_letters] == ["bad_header"] * (abs(captured_us) >= 10**18)


@pytest.mark.parametrize("name", ["pts_us", "duration_us", "sequence"])
@pytest.mark.parametrize("value", [10**17, 10**19])
def test_no_number_in_a_header_fells_the_engine(street: list[Segment], name: str, value: int) -> None:
    run = Run().batch([_forged(street[0], name, value)])
    reason = {"pts_us": ["bad_time"], "duration_us": ["bad_header"], "sequence": ["bad_header"] * (value >= 2**63)}
    assert [letter.reason for letter in run.dead_letters] == reason[name]


def _forged(segment: Segment, name: str, value: int) -> Record:
    """Return the record of a segment with a wrong field: well formed, checksum and all."""
    wrong = replace(segment)
    object.__setattr__(wrong, name, value)
    return to_record(wrong)


class FaultyDetector(HueDetector):
    """Fails at one picture, as a library may at one that nobody thought of."""

    def __init__(self, fails_at: int) -> None:
        self._left = fails_at

    def detect(self, picture: UInt8) -> Detections:
        self._left -= 1
        if self._left == 0:
            raise ArithmeticError("a picture that nobody thought of")
        return super().detect(picture)


def test_a_segment_that_makes_the_analysis_fail_is_set_aside_and_the_rest_goes_on(street: list[Segment]) -> None:
    run = Run(engine=Engine(FaultyDetector(fails_at=12), SETTINGS)).batch(records(street))
    (letter,) = run.dead_letters
    assert (letter.reason, letter.sequence) == ("analysis_error", 1)
    (minute,) = run.coverage().values()
    assert minute.counts["segments"] == len(street) - 2
    assert minute.seconds.bit_count() == 10
    assert len(run.visits) == 3  # the red one was not seen for two seconds: two visits


def test_no_more_than_32_crops_of_a_track_are_classified_in_one_long_segment(tmp_path: Path) -> None:
    person = Person(hue=1, from_frame=0, to_frame=400, speed=0)
    patient = SETTINGS.model_copy(update={"poster_after_s": 600.0})
    run = Run(engine=Engine(HueDetector(), patient)).batch(records(segments(tmp_path / "stays.mp4", [person], 400, CAMERA)))
    assert [visit.observations for visit in run.visits] == [32]


def test_a_poster_is_forgotten_when_the_picture_has_another_size(tmp_path: Path) -> None:
    engine = Engine(HueDetector(), SETTINGS.model_copy(update={"poster_after_s": 1.0}))
    still = Person(hue=1, from_frame=0, to_frame=30, speed=0)
    before = segments(tmp_path / "before.mp4", [still], 30, CAMERA)[:-1]
    after = segments(tmp_path / "after.mp4", [still], 10, CAMERA, size_wh=(400, 240))[:-1]
    first, later = before[0], after[0]
    follows_us = before[-1].captured_us + before[-1].duration_us
    moved = [
        replace(one, session=first.session, sequence=len(before) + index, captured_us=one.captured_us - later.captured_us + follows_us)
        for index, one in enumerate(after)
    ]
    run = Run(engine=engine).batch(records(before))
    assert decode_state(run.stored[CAMERA]).stills
    assert not decode_state(run.batch(records(moved)).stored[CAMERA]).stills


def test_a_copy_of_another_date_gives_the_same_crops_and_labels(street: list[Segment]) -> None:
    copied = [replace(segment, captured_us=segment.captured_us + 86_400_300_000) for segment in street]
    assert copied[0].captured_us % 1_000_000 != street[0].captured_us % 1_000_000
    before, after = Run().batch(records(street)), Run().batch(records(copied))
    assert [(v.visit_id, v.observations, v.age, v.p_female) for v in before.visits] == [
        (v.visit_id, v.observations, v.age, v.p_female) for v in after.visits
    ]
