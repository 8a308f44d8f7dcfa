from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tally import Tally
from pipeline.types import CoverageMinute, Decode, to_us

CAMERA, OTHER = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_US = to_us(NOON)
SECOND_US = 1_000_000
INSTANTS = st.integers(NOON_US - 200 * SECOND_US, NOON_US + 200 * SECOND_US)


def seconds(tally: Tally) -> set[datetime]:
    """Return the seconds that are covered."""
    return {minute.minute + timedelta(seconds=s) for minute in tally.minutes() for s in range(60) if minute.seconds >> s & 1}


def observed(*spans: tuple[int, int]) -> Tally:
    tally = Tally()
    for from_us, to_us_ in spans:
        tally.observe(CAMERA, from_us, to_us_)
    return tally


@given(st.lists(INSTANTS, min_size=2, max_size=8))
def test_coverage_does_not_depend_on_how_an_interval_is_cut(instants: list[int]) -> None:
    instants = sorted(instants)
    cuts = list(pairwise(instants))
    assert observed(*cuts).minutes() == observed((instants[0], instants[-1])).minutes()
    assert observed(*reversed(cuts), *cuts).minutes() == observed(*cuts).minutes()


@given(INSTANTS, st.integers(0, 200 * SECOND_US))
def test_a_second_is_covered_if_its_middle_is_in_the_interval(from_us: int, length_us: int) -> None:
    middles = (NOON_US + s * SECOND_US + SECOND_US // 2 for s in range(-201, 402))
    expected = {NOON + timedelta(microseconds=m - NOON_US - SECOND_US // 2) for m in middles if from_us <= m < from_us + length_us}
    assert seconds(observed((from_us, from_us + length_us))) == expected


@pytest.mark.parametrize(
    ("from_us", "to_us_", "bits"),
    [
        (0, 500_000, []),  # up to the middle, exclusive
        (0, 500_001, [0]),
        (500_000, 500_001, [0]),  # from the middle, inclusive
        (500_001, 1_500_000, []),
        (58_000_000, 60_000_000, [58, 59]),
        (59_400_000, 60_600_000, [59, 60]),  # over the minute's border
        (1_000_000, 1_000_000, []),
        (2_000_000, 1_000_000, []),  # backwards
    ],
)
def test_borders_of_seconds_and_minutes(from_us: int, to_us_: int, bits: list[int]) -> None:
    assert seconds(observed((NOON_US + from_us, NOON_US + to_us_))) == {NOON + timedelta(seconds=bit) for bit in bits}


def test_a_whole_minute_is_sixty_bits() -> None:
    (minute,) = observed((NOON_US, NOON_US + 60 * SECOND_US)).minutes()
    assert (minute.minute, minute.seconds) == (NOON, 2**60 - 1)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([CAMERA, OTHER]),
        INSTANTS,
        st.sampled_from(["segments", "detections", "-poster", "-repeat", "+"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


def tallied(*batches: list[tuple[UUID, int, str, int]]) -> Tally:
    tally = Tally()
    for camera_id, instant_us, name, number in (event for batch in batches for event in batch):
        if name == "+":
            tally.observe(camera_id, instant_us, instant_us + number * SECOND_US)
        elif name.startswith("-"):
            tally.reject(camera_id, instant_us, name[1:], number)
        else:
            tally.count(camera_id, instant_us, name, number)
    return tally


@given(EVENTS, EVENTS, EVENTS)
def test_merging_is_adding_up_in_any_grouping(
    one: list[tuple[UUID, int, str, int]], two: list[tuple[UUID, int, str, int]], three: list[tuple[UUID, int, str, int]]
) -> None:
    left = tallied(one)
    left.merge(tallied(two))
    left.merge(tallied(three))
    right_part = tallied(two)
    right_part.merge(tallied(three))
    right = tallied(one)
    right.merge(right_part)
    assert left.minutes() == right.minutes() == tallied(one, two, three).minutes()


@given(st.lists(st.tuples(st.sampled_from(Decode), st.integers(0, 3)), max_size=6), st.integers(0, 6))
def test_the_least_that_was_decoded_is_a_minutes_level(skips: list[tuple[Decode, int]], cut: int) -> None:
    parts = [Tally(), Tally()]
    for index, (level, at) in enumerate(skips):
        parts[index >= cut].skip(CAMERA, NOON_US + at * 60 * SECOND_US, level)
    parts[1].merge(parts[0])
    for minute in parts[1].minutes():
        mine = [level for level, at in skips if NOON + timedelta(minutes=at) == minute.minute]
        assert minute.level is max(mine, key=["all", "gated", "keyframes"].index)
        assert minute.rejected == {"skipped": len(mine)}


def test_counts_are_kept_by_camera_and_minute() -> None:
    tally = Tally()
    tally.count(OTHER, NOON_US, "segments")
    tally.count(CAMERA, NOON_US - 1, "detections", 3)
    tally.count(CAMERA, NOON_US, "detections", 4)
    tally.reject(CAMERA, NOON_US + 59_999_999, "poster")
    tally.reject(CAMERA, NOON_US + 60_000_000, "poster", 0)
    assert tally.minutes() == (
        CoverageMinute(camera_id=CAMERA, minute=NOON - timedelta(minutes=1), detections=3),
        CoverageMinute(camera_id=CAMERA, minute=NOON, detections=4, rejected={"poster": 1}),
        CoverageMinute(camera_id=OTHER, minute=NOON, segments=1),
    )
