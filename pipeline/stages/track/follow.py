"""Follows faces over frames: births, sights, ends, posters; pure, all memory is in the state.

What it decides depends only on the serialised state and the frame, so that a replay gives the same tracks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import numpy as np

from pipeline.stages.track.colours import blend, colour_distances
from pipeline.stages.track.match import Candidates, match
from pipeline.types import Still, Track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.settings import Settings
    from pipeline.types import CameraState, Detections

VISIT_NAMESPACE = UUID("6f1d3c1e-0b0a-5c57-9a51-4e7a2f6a9d10")
_MOVED_HEIGHTS = 0.25  # a smoothed detection of a poster jitters by less than a tenth
_MOVED_RATIO = 1.25
_STILL_FORGET_US = 600_000_000
_STILL_OVERLAP = 0.5
_DOUBT_BELOW_THRESHOLD = 0.05  # a score so little below the threshold speaks neither for a face nor against
_EVIDENCE_EACH = 0.1  # how far above that the detections of a confirmed track lie
_POSITION_GAIN = 0.8  # alpha-beta filter: trust in a new sight's position, velocity
_VELOCITY_GAIN = 0.5
_HEIGHT_GAIN = 0.5


class Verdict(StrEnum):
    """What a closed track is; all but a visit are counted as rejected under this word."""

    VISIT = "visit"
    UNCONFIRMED = "unconfirmed"
    POSTER = "poster"
    CONTINUATION = "continuation"  # of a visit that was cut for its length


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A track that has ended, or was cut, and what it is."""

    track: Track
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One frame's faces, as the tracker takes them."""

    camera_id: UUID
    sequence: int  # of the segment
    pts_us: int
    captured_us: int
    detections: Detections
    colours: tuple[bytes, ...]  # per detection


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one frame changed."""

    state: CameraState
    closed: tuple[Closed, ...]
    tracks: tuple[Track | None, ...]  # per detection: the track that it continued or began


def step(state: CameraState, sight: Sight, settings: Settings) -> Step:
    """Match a frame's detections to the tracks, begin new ones, end those unseen for too long."""
    state, closed = expire(state, sight.captured_us, settings)
    places = _places(sight.detections.xyxy)
    pairs = _rounds(state.tracks, sight, places, settings)
    tracks = list(state.tracks)
    of_detection: list[Track | None] = [None] * len(places)
    for row, column in pairs:
        tracks[row] = of_detection[column] = _seen(tracks[row], sight, places, column, settings)
    cut = [Closed(track=track, verdict=_verdict(track, state, settings)) for track in tracks if _too_long(track, settings)]
    tracks = [replace(track, counted=False) if _too_long(track, settings) else track for track in tracks]
    births = _births(state, sight, places, [c for c, track in enumerate(of_detection) if track is None], settings)
    for column, track in births:
        of_detection[column] = track
    tracks += [track for _, track in births]
    state = replace(state, tracks=tuple(tracks), next_number=state.next_number + len(births))
    return Step(state=_remember_stills(state, sight.captured_us, settings), closed=(*closed, *cut), tracks=tuple(of_detection))


def expire(state: CameraState, now_us: int, settings: Settings) -> tuple[CameraState, tuple[Closed, ...]]:
    """End the tracks that were not seen for `end_after_s` before `now_us`."""
    limit_us = now_us - round(settings.end_after_s * 1e6)
    gone = tuple(track for track in state.tracks if track.last_us < limit_us)
    kept = tuple(track for track in state.tracks if track.last_us >= limit_us)
    return replace(state, tracks=kept), _close(gone, state, settings)


def close_all(state: CameraState, settings: Settings) -> tuple[CameraState, tuple[Closed, ...]]:
    """End every track at its last sight: the session is over, or the picture's size changed."""
    return replace(state, tracks=()), _close(state.tracks, state, settings)


def _close(tracks: Sequence[Track], state: CameraState, settings: Settings) -> tuple[Closed, ...]:
    return tuple(Closed(track=track, verdict=_verdict(track, state, settings)) for track in tracks)


def _verdict(track: Track, state: CameraState, settings: Settings) -> Verdict:
    if not track.counted:
        return Verdict.CONTINUATION
    if track.evidence < math.inf:
        return Verdict.UNCONFIRMED
    if _is_still(track, settings) or (not track.moved and _covers(state.stills, track.last_box)):
        return Verdict.POSTER
    return Verdict.VISIT


def _covers(stills: Sequence[Still], box: tuple[int, int, int, int]) -> bool:
    return any(_overlap(still.box, box) > _STILL_OVERLAP for still in stills)


def _evidence(before: float, score: float, hits: int, settings: Settings) -> float:
    """Add a detection's weight; infinite, for good, once the detections are enough and believable.

    A count alone would confirm what the detector half believes: a sign in a shop window that scores 0.6, 0.4, 0.7, 0.4.
    """
    evidence = before + score - (settings.detector_threshold - _DOUBT_BELOW_THRESHOLD)
    enough = settings.confirm_detections * _EVIDENCE_EACH
    return math.inf if hits >= settings.confirm_detections and evidence >= enough else evidence


def _is_still(track: Track, settings: Settings) -> bool:
    return not track.moved and track.last_us - track.started_us >= settings.poster_after_s * 1e6


def _too_long(track: Track, settings: Settings) -> bool:
    return track.counted and track.last_us - track.started_us >= settings.visit_max_s * 1e6


def _remember_stills(state: CameraState, now_us: int, settings: Settings) -> CameraState:
    """Keep the places of posters, so that one whose detection flickers is not counted at each return."""
    seen = tuple(Still(box=track.last_box, last_us=track.last_us) for track in state.tracks if _is_still(track, settings))
    if not seen and not state.stills:
        return state
    older = (still for still in state.stills if still.last_us > now_us - _STILL_FORGET_US)
    others = tuple(still for still in older if not _covers(seen, still.box))
    return replace(state, stills=others + seen)


def _rounds(tracks: Sequence[Track], sight: Sight, places: NDArray[np.float64], settings: Settings) -> list[tuple[int, int]]:
    """Match the high scores to the tracks of the last frame, then to those out of sight, and the low scores to all that are left."""
    scores = sight.detections.score
    high = scores >= settings.detector_threshold
    last_us = max((track.last_us for track in tracks), default=0)
    recent = np.array([track.last_us == last_us for track in tracks], bool)
    colours = colour_distances([track.colours for track in tracks], sight.colours)
    free_tracks, free_detections = np.ones(len(tracks), bool), np.ones(len(scores), bool)
    pairs: list[tuple[int, int]] = []
    for of_tracks, of_detections in ((recent, high), (~recent, high), (np.ones_like(recent), ~high)):
        rows, columns = np.flatnonzero(of_tracks & free_tracks), np.flatnonzero(of_detections & free_detections)
        candidates = Candidates(places=places[columns], scores=scores[columns], colour_distance=colours[np.ix_(rows, columns)])
        found = match([tracks[int(row)] for row in rows], sight.captured_us, candidates)
        taken = [(int(rows[row]), int(columns[column])) for row, column in found]
        for row, column in taken:
            free_tracks[row] = free_detections[column] = False
        pairs += taken
    return pairs


def _births(
    state: CameraState, sight: Sight, places: NDArray[np.float64], columns: Sequence[int], settings: Settings
) -> list[tuple[int, Track]]:
    """Begin a track at each detection of a high score that continues none; rank by box, so that a replay gives the same keys."""
    new = [column for column in columns if sight.detections.score[column] >= settings.detector_threshold]
    new.sort(key=lambda column: _integer_box(sight.detections.xyxy[column]))
    births = []
    for rank, column in enumerate(new):
        box = _integer_box(sight.detections.xyxy[column])
        name = f"{sight.camera_id}/{state.session}/{sight.sequence}/{sight.pts_us}/{rank}"
        track = Track(
            visit_id=uuid5(VISIT_NAMESPACE, name),
            session=state.session,
            started_us=sight.captured_us,
            last_us=sight.captured_us,
            hits=1,
            first_box=box,
            last_box=box,
            counted=True,
            moved=False,
            evidence=_evidence(0.0, float(sight.detections.score[column]), 1, settings),
            number=state.next_number + rank,
            centre_x=float(places[column, 0]),
            centre_y=float(places[column, 1]),
            height=float(places[column, 2]),
            colours=sight.colours[column],
        )
        births.append((column, track))
    return births


def _seen(track: Track, sight: Sight, places: NDArray[np.float64], column: int, settings: Settings) -> Track:
    """Return the track after one more sight (an alpha-beta filter on the centre)."""
    x, y, height = (float(value) for value in places[column])
    elapsed_s = (sight.captured_us - track.last_us) / 1e6
    expected_x = track.centre_x + track.velocity_x * elapsed_s
    expected_y = track.centre_y + track.velocity_y * elapsed_s
    gain = 1.0 if track.hits == 1 else _VELOCITY_GAIN
    centre_x = expected_x + _POSITION_GAIN * (x - expected_x)
    centre_y = expected_y + _POSITION_GAIN * (y - expected_y)
    smooth_height = track.height * (height / track.height) ** _HEIGHT_GAIN
    return replace(
        track,
        last_us=sight.captured_us,
        hits=track.hits + 1,
        last_box=_integer_box(sight.detections.xyxy[column]),
        moved=track.moved or _has_moved(track.first_box, centre_x, centre_y, smooth_height),
        evidence=_evidence(track.evidence, float(sight.detections.score[column]), track.hits + 1, settings),
        centre_x=centre_x,
        centre_y=centre_y,
        height=smooth_height,
        velocity_x=track.velocity_x + gain * (x - expected_x) / elapsed_s,
        velocity_y=track.velocity_y + gain * (y - expected_y) / elapsed_s,
        colours=blend(track.colours, sight.colours[column]),
    )


def _has_moved(first_box: tuple[int, int, int, int], x: float, y: float, height: float) -> bool:
    left, top, right, bottom = first_box
    first_height = max(bottom - top, 1)
    distance = float(np.hypot(x - (left + right) / 2, y - (top + bottom) / 2)) / first_height
    return distance > _MOVED_HEIGHTS or not 1 / _MOVED_RATIO < height / first_height < _MOVED_RATIO


def _places(xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n, 3): centre x, centre y, height, pixels."""
    box = xyxy.astype(np.float64)
    return np.stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2, np.maximum(box[:, 3] - box[:, 1], 1.0)], axis=1)


def _integer_box(xyxy: NDArray[np.float32]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(float(value)) for value in xyxy)
    return left, top, right, bottom


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Return intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)
