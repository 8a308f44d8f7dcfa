"""Hypothesis strategies for the values of the pipeline."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from pipeline.types import CameraState, FuseSums, Still, Track

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
BOXES = st.tuples(INTEGERS, INTEGERS, INTEGERS, INTEGERS)

SUMS = st.builds(
    FuseSums,
    observations=st.integers(0, 2**31),
    weight=FLOATS,
    best_quality=FLOATS,
    age=FLOATS,
    p_female=FLOATS,
    bins=st.lists(st.floats(width=32, allow_nan=False), max_size=21).map(tuple),
)

_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "UUID": st.uuids(),
    "int": INTEGERS,
    "float": FLOATS,
    "bool": st.booleans(),
    "bytes": st.binary(max_size=96),
    "FuseSums": SUMS,
    "tuple[int, int, int, int]": BOXES,
}

TRACKS: st.SearchStrategy[Track] = st.builds(Track, **{entry.name: _BY_TYPE[str(entry.type)] for entry in fields(Track)})

STATES = st.builds(
    CameraState,
    session=st.integers(1, 2**63 - 1),
    sequence=st.integers(0, 2**63 - 1),
    last_us=INTEGERS,
    size_wh=st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)),
    next_number=st.integers(1, 2**31),
    tracks=st.lists(TRACKS, max_size=4).map(tuple),
    stills=st.lists(st.builds(Still, box=BOXES, last_us=INTEGERS), max_size=3).map(tuple),
)
