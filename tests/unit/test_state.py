from __future__ import annotations

import math
import struct
from dataclasses import fields, replace
from uuid import UUID

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.state import FOREIGN_SESSION, VERSION, decode_state, encode_state
from pipeline.types import CameraState, FuseSums, Track
from tests.strategies import STATES, SUMS, TRACKS

# A track as it stands in the middle of a visit: nothing in it is zero or short.
FULL = Track(
    visit_id=UUID("0123456789abcdef0123456789abcdef"),
    session=2**63 - 1,
    started_us=1_790_000_000_123_456,
    last_us=1_790_000_007_123_456,
    hits=35,
    first_box=(1200, 410, 1260, 490),
    last_box=(300, 400, 371, 489),
    counted=True,
    moved=True,
    evidence=math.inf,
    sums=FuseSums(observations=7, weight=3.3, best_quality=0.61, age=130.7, p_female=2.9, bins=(0.1,) * 21, model="faces:1/tight-1"),
    number=12,
    centre_x=335.25,
    centre_y=444.5,
    height=88.7,
    velocity_x=-210.3,
    velocity_y=3.25,
    colours=bytes(range(96)),
    crops=7,
)
EMPTY = CameraState(session=1, sequence=0, last_us=0, size_wh=(0, 0))
EDGES = (math.inf, -math.inf, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 0.1 + 0.2)


def bits(state: CameraState) -> list[bytes]:
    """Return the floats of a state bit by bit: -0.0 equals 0.0, but is not the same."""
    values = [getattr(track, entry.name) for track in state.tracks for entry in fields(track)]
    values += [getattr(track.sums, entry.name) for track in state.tracks for entry in fields(track.sums)]
    return [struct.pack("<d", value) for value in values if isinstance(value, float)]


@given(STATES)
def test_a_state_comes_back_as_it_was(state: CameraState) -> None:
    again = decode_state(encode_state(state))
    assert again == state
    assert bits(again) == bits(state)
    assert encode_state(again) == encode_state(state)


@pytest.mark.parametrize("value", EDGES)
def test_floats_at_the_edge_come_back_bit_by_bit(value: float) -> None:
    track = replace(FULL, evidence=value, centre_x=value, sums=replace(FULL.sums, weight=value, age=value))
    state = replace(EMPTY, tracks=(track,))
    assert bits(decode_state(encode_state(state))) == bits(state)


@given(SUMS)
def test_sums_of_bins_come_back_at_32_bits(sums: FuseSums) -> None:
    state = replace(EMPTY, tracks=(replace(FULL, sums=sums),))
    assert decode_state(encode_state(state)).tracks[0].sums.bins == sums.bins


def test_a_track_takes_few_bytes() -> None:
    one, two = (len(encode_state(replace(EMPTY, tracks=(FULL,) * n))) for n in (1, 2))
    assert 250 < two - one < 450, two - one
    assert len(encode_state(EMPTY)) < 20


@given(st.binary(max_size=200))
@example(b"")
@example(msgpack.packb(None))
@example(msgpack.packb((VERSION, (), {})))
@example(msgpack.packb((VERSION, (), (1, 2, 3, 4, 5, 6, ({0: 1},)))))
@example(msgpack.packb((VERSION + 1, 5, ())))
@example(msgpack.packb((VERSION, ((b"short", ()),), (1, 2, 3, 4, 5, 6, ()))))
def test_bytes_that_are_no_state_raise_value_error_only(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected a camera state"):
        decode_state(data)


@given(STATES, st.data())
def test_a_damaged_state_raises_value_error_or_is_one(state: CameraState, data: st.DataObject) -> None:
    encoded = bytearray(encode_state(state))
    for place in data.draw(st.lists(st.integers(0, len(encoded) - 1), min_size=1, max_size=4)):
        encoded[place] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(encoded)))
    try:
        damaged = decode_state(bytes(encoded[:length]))
    except ValueError:
        return
    assert isinstance(damaged, CameraState)


@given(st.lists(TRACKS, min_size=1, max_size=3), st.sampled_from([0, VERSION + 1, "2"]))
def test_an_unknown_version_keeps_what_a_visit_needs(tracks: list[Track], version: object) -> None:
    _, own, rest = msgpack.unpackb(encode_state(replace(EMPTY, tracks=tuple(tracks))), use_list=False)
    theirs = [(visit, {"something": "new"}, "and more") for visit, _ in own]
    foreign = decode_state(msgpack.packb((version, theirs, (*rest, "more"))[:3]))
    assert foreign.session == FOREIGN_SESSION
    assert [_visit_part(track) for track in foreign.tracks] == [_visit_part(track) for track in tracks]


def _visit_part(track: Track) -> tuple[object, ...]:
    return (
        *(track.visit_id, track.session, track.started_us, track.last_us, track.hits, track.first_box, track.last_box),
        *(track.counted, track.moved, track.evidence, track.sums),
    )


def test_the_form_of_version_1_is_what_databases_hold() -> None:
    """A change here without a new version would make states unreadable or, worse, misread."""
    state = CameraState(session=7, sequence=3, last_us=9, size_wh=(4, 5), next_number=2, tracks=(FULL,))
    version, ((visit, _),), rest = msgpack.unpackb(encode_state(state), use_list=False)
    assert version == 1
    assert rest == (7, 3, 9, 4, 5, 2, ())
    sums = (7, 3.3, 0.61, 130.7, 2.9, struct.pack("<21f", *(0.1,) * 21), "faces:1/tight-1")
    times = (FULL.session, FULL.started_us, FULL.last_us, 35)
    assert visit == (FULL.visit_id.bytes, *times, FULL.first_box, FULL.last_box, True, True, math.inf, sums)


def test_sums_that_were_stored_before_they_named_a_model_are_read() -> None:
    state = CameraState(session=7, sequence=3, last_us=9, size_wh=(4, 5), next_number=2, tracks=(FULL,))
    version, ((visit, match),), rest = msgpack.unpackb(encode_state(state), use_list=False)
    *others, sums = visit
    older = msgpack.packb((version, (((*others, sums[:-1]), match),), rest))
    (track,) = decode_state(older).tracks
    (newer,) = decode_state(encode_state(state)).tracks
    assert track == replace(newer, sums=replace(newer.sums, model=""))
