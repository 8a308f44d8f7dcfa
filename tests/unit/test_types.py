from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import Attributes, Detections, Record, Segment, SegmentKind, check_array, from_us, to_us

SEGMENT: dict[str, Any] = {
    "camera_id": UUID(int=1),
    "session": 1,
    "sequence": 0,
    "kind": SegmentKind.GOP,
    "captured_us": 5,
    "payload": b"x",
}


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_are_exact_to_the_microsecond(instant: datetime) -> None:
    assert from_us(to_us(instant)) == instant


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    assert to_us(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == to_us(datetime(2026, 1, 1, tzinfo=UTC))


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a timezone-aware instant, got the naive 2026-01-01"):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001 - that it is refused is the point


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"session": 0}, "session: expected 1"),
        ({"session": 2**63}, "session: expected 1"),
        ({"sequence": -1}, "sequence: expected 0 or more, got -1"),
        ({"sequence": 2**63}, "sequence: expected less than"),
        ({"duration_us": -1}, "duration_us: expected 0 or more"),
        ({"duration_us": 32 * 86_400_000_000}, "duration_us: expected at most 31 days"),
        ({"captured_us": 10**18}, "captured_us: expected an instant"),
        ({"captured_us": -(10**18)}, "captured_us: expected an instant"),
        ({"frame_count": -1}, "frame_count: expected 0 or more"),
        ({"payload": b""}, "payload: expected one exactly in a gop record"),
        ({"kind": SegmentKind.GAP}, "payload: expected one exactly in a gop record, got a gap record with 1 bytes"),
    ],
)
def test_a_segment_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Segment(**{**SEGMENT, **changes})


@given(st.integers(-(2**55), 2**57), st.integers(0, 31 * 86_400_000_000))
def test_the_end_of_every_segment_is_an_instant(captured_us: int, duration_us: int) -> None:
    segment = Segment(**{**SEGMENT, "captured_us": captured_us, "duration_us": duration_us})
    assert from_us(segment.end_us) - from_us(captured_us) == timedelta(microseconds=duration_us)


def test_values_cannot_be_changed_and_show_no_payload() -> None:
    segment = Segment(**{**SEGMENT, "payload": b"pixels"})
    with pytest.raises(FrozenInstanceError):
        segment.session = 2  # type: ignore[misc]  # that it is refused is the point
    assert "pixels" not in repr(segment) + repr(Record(headers=(), value=b"pixels"))


def test_an_array_of_another_shape_or_type_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"xyxy: expected \(n, 4\) float32, got \(2, 5\) float64"):
        check_array("xyxy", np.zeros((2, 5)), (None, 4), np.float32)


@pytest.mark.parametrize(
    ("score", "landmarks"),
    [(np.zeros(2, np.float32), np.zeros((3, 5, 2), np.float32)), (np.zeros(3, np.float32), np.zeros((2, 5, 2), np.float32))],
)
def test_the_arrays_of_detections_have_one_length(score: Any, landmarks: Any) -> None:  # noqa: ANN401 - arrays of a wrong shape
    with pytest.raises(ValueError, match="expected"):
        Detections(xyxy=np.zeros((3, 4), np.float32), score=score, landmarks=landmarks)


def test_detections_are_chosen_by_mask_and_slice() -> None:
    three = Detections(
        xyxy=np.arange(12, dtype=np.float32).reshape(3, 4),
        score=np.array([0.9, 0.5, 0.4], np.float32),
        landmarks=np.zeros((3, 5, 2), np.float32),
    )
    assert three[three.score < 0.6].xyxy[:, 0].tolist() == [4, 8]
    assert len(three[:1]) == 1
    assert len(Detections.none()) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="expected finite probabilities"):
        Attributes(age_probs=np.full((1, 101), value, np.float32), gender_probs=np.zeros((1, 2), np.float32))
