"""Says which detection continues which track: predicted position, size and colours, by the Hungarian method; pure.

Association by box overlap fails at five frames a second: a walking face leaves its own box between two samples. So a
detection may continue a track whose predicted centre lies within a number of face heights that grows with the time since
its last sight. The cost follows SORT (Bewley et al. 2016, arXiv 1602.00763) with distance for overlap; the second round for
low scores is ByteTrack's (Zhang et al. 2022, arXiv 2110.06864).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.types import Track

# Reach in face heights: a start, plus so much per second unseen, up to the limit.
_REACH_START = 0.5
_REACH_NEWBORN_PER_S = 6.0  # no velocity yet: 1.4 m/s of a 0.23 m face
_REACH_KNOWN_PER_S = 2.0
_REACH_MAX = 2.5
_VELOCITY_FADES_S = 1.0  # nobody keeps a pace for long behind somebody else
_SIZE_START = math.log(1.4)  # ratio of heights
_SIZE_PER_S = math.log(1.6)
_COLOUR_SCALE = 18.0  # levels; two sights of one head lie near 10
_COLOUR_MAX = 38.0  # a head that turns, or passes a lamp
_COLOUR_MAX_UNSURE = 28.0  # a low score says half hidden: one who steps in front of another is where that one was expected
_UNSURE, _SURE = 0.5, 0.9  # scores
_IMPOSSIBLE = 1e6


def predict(track: Track, now_us: int) -> tuple[float, float]:
    """Return the centre at which a track is expected, pixels."""
    elapsed_s = (now_us - track.last_us) / 1e6
    travel_s = _VELOCITY_FADES_S * (1 - math.exp(-elapsed_s / _VELOCITY_FADES_S))
    return track.centre_x + track.velocity_x * travel_s, track.centre_y + track.velocity_y * travel_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """m detections as continuations of n tracks."""

    places: NDArray[np.float64]  # (m, 3): centre x, centre y and height, pixels
    scores: NDArray[np.float32]  # (m,): 0..1
    colour_distance: NDArray[np.float64]  # (n, m): levels


def match(tracks: Sequence[Track], now_us: int, candidates: Candidates) -> list[tuple[int, int]]:
    """Assign detections to tracks, last seen before `now_us`, at the least total cost.

    Returns:
        Pairs (index of track, index of detection), each index at most once.
    """
    if not tracks or not len(candidates.places):
        return []
    cost = _cost(tracks, now_us, candidates)
    rows, columns = linear_sum_assignment(cost)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if cost[row, column] < _IMPOSSIBLE]


def _cost(tracks: Sequence[Track], now_us: int, candidates: Candidates) -> NDArray[np.float64]:
    places, colour_distance = candidates.places, candidates.colour_distance
    expected = np.array([predict(track, now_us) for track in tracks])
    heights = np.array([track.height for track in tracks])
    elapsed_s = np.array([(now_us - track.last_us) / 1e6 for track in tracks])
    newborn = np.array([track.hits == 1 for track in tracks])
    reach = np.minimum(_REACH_START + np.where(newborn, _REACH_NEWBORN_PER_S, _REACH_KNOWN_PER_S) * elapsed_s, _REACH_MAX)
    mean_height = np.sqrt(heights[:, None] * places[None, :, 2])
    distance = np.linalg.norm(expected[:, None] - places[None, :, :2], axis=2) / mean_height / reach[:, None]
    size = np.abs(np.log(places[None, :, 2] / heights[:, None])) / (_SIZE_START + _SIZE_PER_S * elapsed_s)[:, None]
    cost = distance**2 + 0.5 * size**2 + (colour_distance / _COLOUR_SCALE) ** 2
    colour_max = np.interp(candidates.scores, (_UNSURE, _SURE), (_COLOUR_MAX_UNSURE, _COLOUR_MAX))
    return np.where((distance <= 1) & (size <= 1) & (colour_distance <= colour_max), cost, _IMPOSSIBLE)
