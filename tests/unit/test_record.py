from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidRecordError
from pipeline.record import to_record, to_segment
from pipeline.types import Decode, Record, Segment, SegmentKind

INSTANTS = st.integers(-(2**62), 2**62)
COUNTS = st.integers(0, 2**40)
SIZES = st.integers(0, 999_999)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    kind = draw(st.sampled_from(SegmentKind))
    return Segment(
        camera_id=draw(st.uuids()),
        session=draw(st.integers(1, 2**63 - 1)),
        sequence=draw(COUNTS),
        kind=kind,
        captured_us=draw(st.integers(-(2**55), 2**57)),
        pts_us=draw(INSTANTS),
        duration_us=draw(COUNTS),
        codec=draw(st.sampled_from(["", "h264", "mjpeg", "av1"])),
        width_px=draw(SIZES),
        height_px=draw(SIZES),
        frame_count=draw(COUNTS),
        reconnected=draw(st.booleans()),
        decode=draw(st.sampled_from(Decode)),
        payload=draw(st.binary(min_size=1, max_size=200)) if kind is SegmentKind.GOP else b"",
    )


SEGMENT = Segment(camera_id=UUID(int=7), session=3, sequence=1, kind=SegmentKind.GOP, captured_us=5, codec="h264", payload=b"matroska")


@given(segments())
def test_a_segment_survives_the_record(segment: Segment) -> None:
    assert to_segment(to_record(segment)) == segment


@given(segments(), st.data())
def test_any_flipped_bit_is_noticed(segment: Segment, data: st.DataObject) -> None:
    record = to_record(segment)
    places = [(index, at) for index, (_, value) in enumerate(record.headers) for at in range(len(value))]
    places += [(-1, at) for at in range(len(record.value))]
    index, at = data.draw(st.sampled_from(places))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = _flip(record, index, at, bit)
    with pytest.raises(InvalidRecordError) as caught:
        to_segment(damaged)
    assert caught.value.reason in {"bad_header", "checksum", "unknown_version"}


def _flip(record: Record, index: int, at: int, bit: int) -> Record:
    def flipped(value: bytes) -> bytes:
        return value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]

    if index < 0:
        return Record(headers=record.headers, value=flipped(record.value))
    headers = tuple((name, flipped(value) if number == index else value) for number, (name, value) in enumerate(record.headers))
    return Record(headers=headers, value=record.value)


@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=14), st.binary(max_size=50))
def test_foreign_records_are_refused(headers: list[tuple[str, bytes]], value: bytes) -> None:
    with pytest.raises(InvalidRecordError):
        to_segment(Record(headers=tuple(headers), value=value))


def test_a_record_without_a_word_on_decoding_is_decoded_wholly() -> None:
    assert "decode" not in dict(to_record(SEGMENT).headers), "an older version reads it too"
    assert to_segment(to_record(SEGMENT)).decode is Decode.ALL
    assert dict(to_record(replace(SEGMENT, decode=Decode.GATED)).headers)["decode"] == b"gated"


def test_an_unknown_word_on_decoding_is_refused() -> None:
    wrong = replace(SEGMENT, decode=cast("Decode", SimpleNamespace(value="sometimes")))
    with pytest.raises(InvalidRecordError) as caught:
        to_segment(to_record(wrong))
    assert caught.value.reason == "bad_header"


def test_headers_can_be_read_by_people() -> None:
    headers = dict(to_record(SEGMENT).headers)
    assert headers["kind"] == b"gop"
    assert headers["size"] == b"0x0"
    assert all(value.isascii() for value in headers.values())


def test_a_newer_schema_says_so() -> None:
    record = to_record(SEGMENT)
    newer = Record(headers=(("schema", b"2"), *record.headers[1:]), value=record.value)
    with pytest.raises(InvalidRecordError, match="update") as caught:
        to_segment(newer)
    assert caught.value.reason == "unknown_version"
