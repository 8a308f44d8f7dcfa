"""The tracker over scenes; a timeline has a character for each frame, five a second: # + o are falling scores, . is unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from pipeline.settings import Settings
from pipeline.state import decode_state, encode_state
from tests.scenes import CAMERA, FRAME_US, START_US, Face, Scene, flat_colours

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from pipeline.stages.track import Closed

RED, BLUE = flat_colours(120, 190, 100), flat_colours(90, 110, 180)
MINUTE = 5 * 60


def walking(speed: float, **kept: float) -> Callable[[int], Face]:
    """Return a face that walks at `speed` pixels a frame."""
    return lambda frame: replace(Face(**kept), x=300 + speed * frame)  # type: ignore[arg-type]  # the colours are not among them


@pytest.mark.parametrize(
    ("line", "verdicts"),
    [
        ("#", ["unconfirmed"]),
        ("##", ["unconfirmed"]),
        ("###", ["visit"]),
        ("#.#..#", ["visit"]),
        ("+++", ["unconfirmed"]),  # three, but none that convinces
        ("++++++", ["visit"]),
        ("+o+o+o+o+o+o+o+o+o+o", ["unconfirmed"]),  # a sign that the detector half believes
        ("oooooooooo", []),  # low scores begin nothing
        ("o###", ["visit"]),
        ("##o", ["visit"]),  # a low score is a sight, too
        ("#ooooo", ["unconfirmed"]),
    ],
)
def test_a_track_counts_when_its_detections_convince(line: str, verdicts: list[str]) -> None:
    assert Scene().timeline(line).end().verdicts == verdicts


@pytest.mark.parametrize(
    ("line", "visits"),
    [
        ("#####.....#####", 1),
        ("##### ......... #####", 1),  # seen again after exactly two seconds
        ("##### .......... #####", 2),  # 2.2 s
        ("#####ooooooooooooooo#####", 1),  # three seconds of low scores carry it
    ],
)
def test_a_track_ends_when_unseen_for_two_seconds(line: str, visits: int) -> None:
    scene = Scene().timeline(line).end()
    assert scene.verdicts == ["visit"] * visits


def test_an_ended_track_is_closed_by_the_next_frame_at_its_last_sight() -> None:
    #       0    0.8            3.0
    scene = Scene().timeline("##### ..........").timeline(".")
    (closed,) = scene.closed
    assert (closed.track.started_us, closed.track.last_us, closed.track.hits) == (START_US, START_US + 4 * FRAME_US, 5)
    assert scene.state.tracks == ()


def test_low_scores_are_hits_of_the_same_track() -> None:
    scene = Scene().timeline("###ooo###").end()
    assert [closed.track.hits for closed in scene.closed] == [9]


@pytest.mark.parametrize("speed", [0, 12, 45])
def test_a_walking_face_is_one_visit(speed: float) -> None:
    """45 pixels a frame are most of a face height: the boxes of two frames hardly touch."""
    scene = Scene().timeline("##########", walking(speed)).end()
    assert scene.verdicts == ["visit"]
    assert scene.numbers(0) == {1}


def test_a_walker_is_found_again_behind_a_pillar() -> None:
    scene = Scene().timeline("######....######", walking(20)).end()
    assert scene.verdicts == ["visit"]


def test_a_face_that_jumps_across_the_picture_is_another() -> None:
    scene = Scene().timeline("#####").timeline("#####", lambda _: Face(x=1500)).end()
    assert scene.verdicts == ["visit", "visit"]


def test_two_people_who_cross_keep_their_tracks() -> None:
    """One to the right, one to the left, at the same height; they meet in the middle, where only one is seen.

    red   ###########...#########>
    blue <########################
    """
    frames = []
    for frame in range(24):
        red, blue = Face(x=300 + 25 * frame, colours=RED), Face(x=900 - 25 * frame, colours=BLUE)
        frames.append([blue] if 11 <= frame < 14 else [blue, red])
    scene = Scene().play(frames).end()
    assert scene.verdicts == ["visit", "visit"]
    assert len(scene.numbers(0)) == len(scene.numbers(1)) == 1
    assert scene.numbers(0) != scene.numbers(1)


def test_who_steps_in_front_of_another_does_not_take_over_the_track() -> None:
    """The red face stands; the blue one arrives at its very place as it is hidden, and leaves again."""
    behind = [Face(colours=RED)]
    front = [Face(colours=BLUE)]
    scene = Scene().play([behind] * 8 + [front] * 6 + [behind] * 8).end()
    of_frame = [frame[0].number for frame in scene.tracks if frame[0] is not None]
    assert of_frame[:8] == of_frame[14:] == [of_frame[0]] * 8
    assert of_frame[0] not in of_frame[8:14]


# Posters


def jittering(seed: int) -> Callable[[int], Face]:
    noise = np.random.default_rng(seed).normal(0, 0.02, (20 * MINUTE, 3))
    return lambda frame: Face(x=500 + 60 * noise[frame, 0], y=300 + 60 * noise[frame, 1], height=60 * (1 + noise[frame, 2]))


def test_a_face_that_never_moves_is_a_poster_after_a_minute() -> None:
    assert Scene().timeline("#" * (MINUTE + 1), jittering(1)).end().verdicts == ["poster"]
    assert Scene().timeline("#" * MINUTE, jittering(1)).end().verdicts == ["visit"]


def test_a_poster_that_flickers_afterwards_is_not_counted() -> None:
    flicker = "..............." + "#####"
    scene = Scene().timeline("#" * (MINUTE + 1) + flicker * 6, jittering(2)).end()
    assert scene.verdicts == ["poster"] * 7


def test_who_stands_still_beside_a_poster_is_counted() -> None:
    scene = Scene().timeline("#" * (MINUTE + 1), jittering(3)).timeline("#" * 20, lambda _: Face(x=700)).end()
    assert sorted(scene.verdicts) == ["poster", "visit"]


def test_who_walks_up_and_then_stands_is_counted() -> None:
    """Walks for two seconds, stands for two minutes."""
    scene = Scene().timeline("#" * (10 + 2 * MINUTE), lambda frame: Face(x=300 + 15 * min(frame, 10))).end()
    assert scene.verdicts == ["visit"]


def test_who_comes_nearer_has_moved() -> None:
    scene = Scene().timeline("#" * (10 + 2 * MINUTE), lambda frame: Face(height=40 + 4 * min(frame, 10))).end()
    assert scene.verdicts == ["visit"]


# Length


def test_a_long_visit_is_cut_once_and_its_continuation_is_not_counted() -> None:
    """Cut at 4 s: #####################|##############  one visit, one continuation."""
    scene = Scene(Settings(visit_max_s=4.0)).timeline("#" * 60, walking(10))
    assert scene.verdicts == ["visit"]
    assert scene.closed[0].track.last_us - scene.closed[0].track.started_us == 4_000_000
    assert [track.visit_id for track in scene.state.tracks] == [scene.closed[0].track.visit_id]
    assert scene.end().verdicts == ["visit", "continuation"]


# Keys


def test_a_visit_key_comes_from_birth_and_rank_by_box() -> None:
    scene = Scene().play([[]] * 12 + [[Face(x=900), Face(x=300), Face(x=600)]] * 3)
    expected = [uuid5(UUID("6f1d3c1e-0b0a-5c57-9a51-4e7a2f6a9d10"), f"{CAMERA}/7/1/{12 * FRAME_US}/{rank}") for rank in range(3)]
    by_place = sorted(scene.state.tracks, key=lambda track: track.centre_x)
    assert [track.visit_id for track in by_place] == expected
    assert [track.number for track in by_place] == [1, 2, 3]


def test_the_keys_are_those_of_all_databases_so_far() -> None:
    (track,) = Scene().timeline("#").state.tracks
    assert track.visit_id == UUID("7a7b2664-b5c1-56f2-b837-708ce435ae41")


# Gap records


def test_a_gap_record_closes_what_a_frame_would_have_closed() -> None:
    scene = Scene().timeline("#####").gap(START_US + 4 * FRAME_US + 2_000_000)
    assert scene.verdicts == []
    scene.gap(START_US + 4 * FRAME_US + 2_000_001)
    assert scene.verdicts == ["visit"]
    assert scene.closed[0].track.last_us == START_US + 4 * FRAME_US


def test_a_late_gap_record_changes_nothing() -> None:
    scene = Scene().timeline("#####")
    before = scene.state
    assert scene.gap(START_US).state == before
    assert scene.closed == []


# Properties, over scenes of faces that wander, appear and vanish at random


def crowd(seed: int, frames: int = 40) -> list[list[Face]]:
    random = np.random.default_rng(seed)
    places, speeds = random.uniform(200, 900, (4, 2)), random.normal(0, 15, (4, 2))
    heights, palette = random.uniform(40, 90, 4), random.integers(60, 200, (4, 3))

    def faces(frame: int) -> list[Face]:
        here = [who for who in range(4) if random.random() < (0.85 if (frame // 12 + who) % 3 else 0.0)]
        return [
            Face(
                x=places[who, 0] + speeds[who, 0] * frame,
                y=places[who, 1] + speeds[who, 1] * frame,
                height=heights[who] * random.uniform(0.95, 1.05),
                score=random.uniform(0.31, 0.99),
                colours=flat_colours(*(int(value) for value in palette[who])),
            )
            for who in here
        ]

    return [faces(frame) for frame in range(frames)]


SEEDS = st.integers(0, 2**32 - 1)


def by_key(closed: list[Closed]) -> list[Closed]:
    return sorted(closed, key=lambda each: (each.track.visit_id, each.verdict))


@effort(max_examples=40)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_a_frames_detections_does_not_matter(seed: int, random: Random) -> None:
    frames = crowd(seed)
    shuffled = [sorted(faces, key=lambda _: random.random()) for faces in frames]
    one, other = Scene().play(frames), Scene().play(shuffled)
    assert other.state == one.state
    assert by_key(other.end().closed) == by_key(one.end().closed)


@effort(max_examples=40)
@given(SEEDS)
def test_storing_the_state_between_frames_changes_nothing(seed: int) -> None:
    one = Scene().play(crowd(seed))
    other = Scene(between=lambda state: decode_state(encode_state(state))).play(crowd(seed))
    assert (other.state, other.closed, other.tracks) == (one.state, one.closed, one.tracks)


@effort(max_examples=40)
@given(SEEDS, st.integers(0, 39), st.integers(0, FRAME_US))
def test_a_gap_record_between_frames_changes_no_visit(seed: int, place: int, early_us: int) -> None:
    frames = crowd(seed)
    one = Scene().play(frames)
    other = Scene().play(frames[:place]).gap(START_US + place * FRAME_US - early_us).play(frames[place:])
    assert other.state == one.state
    assert by_key(other.closed) == by_key(one.closed)


@effort(max_examples=40)
@given(SEEDS)
def test_every_track_is_closed_once_and_no_key_is_used_twice(seed: int) -> None:
    scene = Scene().play(crowd(seed))
    seen = {track.visit_id for frame in scene.tracks for track in frame if track is not None}
    closed = [each.track.visit_id for each in scene.end().closed]
    assert sorted(closed) == sorted(seen)
    assert scene.state.tracks == ()
    for each in scene.closed:
        assert each.track.started_us <= each.track.last_us
