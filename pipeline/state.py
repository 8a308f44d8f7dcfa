"""A camera's state as bytes and back, exactly; imports types only.

MessagePack carries 64-bit floats and integers as they are. A track is a pair of lists: what a visit needs, whose layout is
frozen for ever, and what matching needs. A reader that does not know the version can therefore still close the tracks.
"""

from __future__ import annotations

import struct
from dataclasses import astuple
from typing import Any
from uuid import UUID

import msgpack

from pipeline.types import CameraState, FuseSums, Still, Track

VERSION = 1
FOREIGN_SESSION = 0
"""The session of a state of an unknown version: it equals no record's, so the tracks close at their last sight."""


def encode_state(state: CameraState) -> bytes:
    """Serialise; `decode_state(encode_state(s)) == s`."""
    tracks = [(_visit_part(track), _match_part(track)) for track in state.tracks]
    stills = [(*still.box, still.last_us) for still in state.stills]
    rest = (state.session, state.sequence, state.last_us, *state.size_wh, state.next_number, stills)
    packed: bytes = msgpack.packb((VERSION, tracks, rest))
    return packed


def decode_state(data: bytes) -> CameraState:
    """Read a state; one of an unknown version has session `FOREIGN_SESSION` and its tracks as last seen.

    Raises:
        ValueError: These bytes are no state.
    """
    try:
        version, tracks, rest = msgpack.unpackb(data, use_list=False)
        if version != VERSION:
            return _foreign(tracks)
        session, sequence, last_us, width, height, next_number, stills = rest
        return CameraState(
            session=session,
            sequence=sequence,
            last_us=last_us,
            size_wh=(width, height),
            next_number=next_number,
            tracks=tuple(_track(visit, match) for visit, match in tracks),
            stills=tuple(Still(box=still[:4], last_us=still[4]) for still in stills),
        )
    except (TypeError, ValueError, LookupError, struct.error, msgpack.UnpackException) as error:
        raise ValueError(f"expected a camera state, got {len(data)} bytes that are none ({type(error).__name__})") from None


def _visit_part(track: Track) -> tuple[Any, ...]:
    *sums, bins, model = astuple(track.sums)
    times = (track.session, track.started_us, track.last_us, track.hits)
    return (
        track.visit_id.bytes,
        *times,
        track.first_box,
        track.last_box,
        track.counted,
        track.moved,
        track.evidence,
        (*sums, _pack_floats(bins), model),
    )


def _match_part(track: Track) -> tuple[Any, ...]:
    motion = (track.centre_x, track.centre_y, track.height, track.velocity_x, track.velocity_y)
    return (track.number, *motion, track.colours, track.crops)


def _track(visit: tuple[Any, ...], match: tuple[Any, ...]) -> Track:
    visit_id, session, started_us, last_us, hits, first_box, last_box, counted, moved, evidence, sums = visit
    number, centre_x, centre_y, height, velocity_x, velocity_y, colours, crops = match
    return Track(
        visit_id=UUID(bytes=visit_id),
        session=session,
        started_us=started_us,
        last_us=last_us,
        hits=hits,
        first_box=first_box,
        last_box=last_box,
        counted=counted,
        moved=moved,
        evidence=evidence,
        sums=_sums(sums),
        number=number,
        centre_x=centre_x,
        centre_y=centre_y,
        height=height,
        velocity_x=velocity_x,
        velocity_y=velocity_y,
        colours=colours,
        crops=crops,
    )


def _sums(values: tuple[Any, ...]) -> FuseSums:
    observations, weight, best_quality, age, p_female, bins, *model = values  # at first no model was kept
    return FuseSums(
        observations=observations,
        weight=weight,
        best_quality=best_quality,
        age=age,
        p_female=p_female,
        bins=struct.unpack(f"<{len(bins) // 4}f", bins),
        model=model[0] if model else "",
    )


def _pack_floats(bins: tuple[float, ...]) -> bytes:
    """Pack sums that are kept at 32 bits (stages/fuse.py) without loss."""
    return struct.pack(f"<{len(bins)}f", *bins)


def _foreign(tracks: tuple[Any, ...]) -> CameraState:
    unmatched = (0, 0.0, 0.0, 0.0, 0.0, 0.0, b"", 0)
    closed = tuple(_track(visit, unmatched) for visit, *_ in tracks)
    return CameraState(session=FOREIGN_SESSION, sequence=-1, last_us=0, size_wh=(0, 0), tracks=closed)
