"""The gate: what is not decoded, what is not searched, and that nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.decode import DecodeOptions, Decoder
from pipeline.stages.gate import GateLimits, KeyframesOnly, LookFirst, asks_for_more, changed_share
from pipeline.video.groups import Group
from tests.clips import CODECS, Clip, make_clip
from tests.sources import read, videos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.stages.decode import DecodeOutcome, Gate
    from pipeline.types import Frame, Segment, UInt8

LIMITS = GateLimits(interval_us=1_000_000, motion_share=0.001)
OPTIONS = DecodeOptions.of(5, 640, 10**7)
SECONDS = Clip(fps=25, frames=110, options={"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=3:open-gop=0"})
FRAME = cast("Any", None)  # the watcher here looks at none


@dataclass
class Watched:
    """A `Watcher` that says what it is told to."""

    idle: bool = True
    saw_nothing: bool = True
    face: bool = False

    def finds(self, frame: Frame) -> bool:
        del frame
        return self.face


@dataclass
class Opening:
    """A gate that judges every group, and opens for each; `closed` never opens."""

    closed: bool = False
    asked: list[int] = field(default_factory=list)
    out: list[Group] = field(default_factory=list)

    def judges(self, group: Group, following: Group | None) -> bool:
        del group, following
        return True

    def opens(self, key: Frame) -> bool:
        self.asked.append(key.pts_us)
        return not self.closed

    def left_out(self, group: Group) -> None:
        self.out.append(group)

    def compares(self, group: Group, following: Group | None) -> bool:
        del group, following
        return True

    def moves(self, gray: UInt8) -> bool:
        assert gray.shape == (90, 160)
        return True


def group(sizes: Sequence[int] = (900, 10, 10, 10), *, frame_us: int = 40_000, pts_us: Sequence[int] | None = None) -> Group:
    times = tuple(frame_us * index for index in range(len(sizes))) if pts_us is None else tuple(pts_us)
    return Group(packets=(FRAME,) * len(sizes), pts_us=times, sizes=tuple(sizes), end_us=frame_us * len(sizes), closed=True)


def gray(level: int, changed: int = 0) -> UInt8:
    """Return a gray picture with so many pixels of 160x90 changed to white."""
    picture = np.full(90 * 160, level, np.uint8)
    picture[:changed] = 255
    return picture.reshape(90, 160)


def decoded(segments: Sequence[Segment], gate: Gate | None) -> tuple[list[Frame], list[DecodeOutcome]]:
    decoder, after, frames, outcomes = Decoder(OPTIONS), None, [], []
    for segment in segments:
        decoding = decoder.decode(segment, after, gate)
        frames += list(decoding)
        outcomes.append(decoding.outcome)
        after = decoding.outcome.last_us
    return frames, outcomes


@pytest.fixture(params=CODECS)
def segments(request: pytest.FixtureRequest, tmp_path: Path) -> list[Segment]:
    return videos(read(make_clip(tmp_path / "clip", replace(CODECS[request.param], fps=25, frames=110, gop=25))))


def test_behind_an_open_gate_everything_is_as_without_one(segments: list[Segment]) -> None:
    frames, outcomes = decoded(segments, None)
    gated, gated_outcomes = decoded(segments, Opening())
    assert [frame.captured_us for frame in gated] == [frame.captured_us for frame in frames]
    assert all(np.array_equal(one.small, other.small) for one, other in zip(frames, gated, strict=True))
    assert gated_outcomes == outcomes


def test_what_is_left_out_is_observed_and_sampled_as_if_it_had_been_seen(segments: list[Segment]) -> None:
    frames, outcomes = decoded(segments, None)
    gate = Opening(closed=True)
    gated, gated_outcomes = decoded(segments, gate)
    assert [(outcome.last_us, outcome.frames_late, outcome.reason) for outcome in gated_outcomes] == [
        (outcome.last_us, outcome.frames_late, outcome.reason) for outcome in outcomes
    ]
    assert [outcome.observed for outcome in gated_outcomes] == [outcome.observed for outcome in outcomes]
    skipped = sum(len(outcome.skipped_us) for outcome in gated_outcomes)
    assert len(gated) + skipped == pytest.approx(len(frames), abs=len(gate.out))  # leading pictures of open groups are lost
    assert sum(outcome.frames_decoded for outcome in gated_outcomes) == len(gated)


def test_keyframes_only_decodes_nothing_else(tmp_path: Path) -> None:
    video = videos(read(make_clip(tmp_path / "clip", SECONDS)))
    frames, outcomes = decoded(video, KeyframesOnly())
    start_us = video[0].captured_us
    assert [frame.captured_us - start_us for frame in frames] == [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert sum(outcome.frames_decoded for outcome in outcomes) == 5
    assert sum(len(outcome.skipped_us) for outcome in outcomes) == 22 - 5


def test_a_keyframe_between_two_samples_stands_for_the_first_that_is_left_out(tmp_path: Path) -> None:
    clip = replace(SECONDS, options={"x264-params": "keyint=23:min-keyint=23:scenecut=0:bframes=0"})
    video = videos(read(make_clip(tmp_path / "clip", clip)))
    frames, outcomes = decoded(video, KeyframesOnly())
    assert [frame.pts_us for frame in frames] == [0, 920_000, 1_840_000, 2_760_000, 3_680_000]
    assert len(frames) + sum(len(outcome.skipped_us) for outcome in outcomes) == len(decoded(video, None)[0])


def test_pictures_that_stand_for_themselves_are_decoded_where_they_are_sampled(tmp_path: Path) -> None:
    video = videos(read(make_clip(tmp_path / "clip", replace(CODECS["mjpeg"], fps=25, frames=50))))
    for gate in (KeyframesOnly(), LookFirst(LIMITS, Watched(idle=False))):
        frames, outcomes = decoded(video, gate)
        assert (len(frames), sum(outcome.frames_decoded for outcome in outcomes)) == (10, 10)


def test_the_following_keyframe_opens_for_the_group_before(tmp_path: Path) -> None:
    (segment, *_) = videos(read(make_clip(tmp_path / "clip", SECONDS)))

    class Second(Opening):
        def opens(self, key: Frame) -> bool:
            return key.pts_us == 1_000_000

    frames, (outcome,) = decoded([segment], Second())
    assert [frame.pts_us for frame in frames] == [200_000 * index for index in range(10)]
    assert outcome.skipped_us == ()


def test_what_fails_while_the_gate_looks_is_not_damage_of_the_segment(tmp_path: Path) -> None:
    (segment, *_) = videos(read(make_clip(tmp_path / "clip", replace(CODECS["h264"], fps=25, frames=50, gop=25))))

    class Failing(Opening):
        def opens(self, key: Frame) -> bool:
            raise ArithmeticError(f"a picture that nobody thought of, at {key.pts_us}")

    with pytest.raises(ArithmeticError):
        decoded([segment], Failing())


@pytest.mark.parametrize(
    ("changes", "judged"),
    [
        ({}, True),
        ({"frame_us": 250_000}, True),
        ({"frame_us": 250_250}, True),  # 29.97 frames a second: 30 of them last 1.001 s
        ({"frame_us": 340_000}, False),
        ({"sizes": (900,)}, False),  # each picture is a keyframe
    ],
)
def test_short_groups_are_judged_by_keyframes(changes: dict[str, Any], judged: bool) -> None:  # noqa: FBT001 - a parameter of the test
    gate = LookFirst(LIMITS, Watched())
    assert gate.judges(group(**changes), group()) is judged
    assert gate.compares(group(**changes), group()) is not judged


def test_nothing_is_judged_while_somebody_is_followed() -> None:
    assert not LookFirst(LIMITS, Watched(idle=False)).judges(group(), group())


@pytest.mark.parametrize("face", [True, False])
def test_a_face_opens(face: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert LookFirst(LIMITS, Watched(face=face)).opens(FRAME) is face


def test_a_large_packet_opens_after_a_quiet_group_and_a_small_one_closes_nothing() -> None:
    gate = LookFirst(LIMITS, Watched())
    assert gate.judges(group((900, 10, 200, 10)), group())  # nothing to compare with
    gate.left_out(group((900, 10, 12, 10)))
    assert gate.judges(group((9000, 30, 30, 30)), group())
    assert not gate.judges(group((900, 10, 31, 10)), group())


@pytest.mark.parametrize(("quiet", "judged"), [(None, False), (group((900, 10, 12, 10)), True), (group((900, 90, 95, 80)), False)])
def test_the_last_group_of_a_segment_is_judged_where_packets_would_tell(quiet: Group | None, judged: bool) -> None:  # noqa: FBT001 - a parameter of the test
    gate = LookFirst(LIMITS, Watched())
    if quiet is not None:
        gate.left_out(quiet)
    assert gate.judges(group(), None) is judged
    assert gate.compares(group(), None), "where nothing moves it need not be searched"


def test_only_packets_that_are_shown_in_turn_are_compared() -> None:
    b_pictures = group((900, 100, 20, 20, 110), pts_us=(0, 120_000, 40_000, 80_000, 160_000))
    assert b_pictures.forward_sizes == (100, 110)
    assert b_pictures.shown_us == (0, 40_000, 80_000, 120_000, 160_000)
    assert not b_pictures.leads
    assert group((900, 20, 100), pts_us=(80_000, 40_000, 120_000)).leads
    assert group((900, 20, 100), pts_us=(80_000, 40_000, 120_000)).shown_us == (80_000, 120_000)


@given(st.lists(st.integers(1, 10**6)), st.lists(st.integers(1, 10**6)))
def test_smaller_packets_never_ask_and_larger_ones_ask_the_more(sizes: list[int], quiet: list[int]) -> None:
    assert not asks_for_more(sizes, sizes)
    if asks_for_more(sizes, quiet):
        assert asks_for_more([2 * size for size in sizes], quiet)


def test_still_frames_are_not_searched_and_moving_ones_are() -> None:
    gate = LookFirst(LIMITS, Watched())
    assert gate.compares(group(frame_us=500_000), None)
    assert [gate.moves(gray(90, changed)) for changed in (0, 0, 14, 15, 15, 0)] == [True, False, False, True, False, True]


def test_slow_changes_add_up() -> None:
    gate = LookFirst(LIMITS, Watched())
    searched = [level for level in range(90, 150) if gate.moves(gray(level))]
    assert searched == [90, 103, 116, 129, 142]


@pytest.mark.parametrize("watched", [Watched(idle=False), Watched(saw_nothing=False)])
def test_a_still_frame_is_searched_while_somebody_may_be_there(watched: Watched) -> None:
    gate = LookFirst(LIMITS, watched)
    assert [gate.moves(gray(90)) for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize("between", ["decoded", "left out"])
def test_frames_that_were_searched_in_between_are_no_reference(between: str) -> None:
    gate = LookFirst(LIMITS, Watched())
    gate.moves(gray(90))
    if between == "decoded":
        gate.compares(group(), group())
    else:
        gate.left_out(group())
    assert gate.moves(gray(90))


def test_noise_is_no_change() -> None:
    noise = np.random.default_rng(1).normal(0, 3, (2, 90, 160))
    one, other = (np.clip(90 + frame, 0, 255).astype(np.uint8) for frame in noise)
    assert changed_share(one, other) < 0.01
    assert changed_share(gray(90), gray(90)[:45]) == 1
