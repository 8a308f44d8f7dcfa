"""Coarse colours of a head, so that the tracker can tell people apart; pure.

A 4 x 8 grid of mean colours over hair and face, 96 bytes: it lives in the track's state and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pipeline.types import Float32, UInt8

GRID_WH = (4, 8)
_REACH = (0.1, 0.3, 0.1, 0.1)
"""How far the grid reaches beyond the face's left, top, right and bottom, in face widths and heights."""

_LUMA_WEIGHT = 0.5  # light changes on the way through a picture, colour less so
_UPDATE = 0.4  # share of the new colours; the rest remembers


def coarse_colours(small: UInt8, xyxy: Float32) -> bytes:
    """Return the grid of mean colours around a face as 96 bytes.

    Args:
        small: (h, w, 3) uint8 BGR.
        xyxy: (4,) box in the pixels of `small`.
    """
    height, width = small.shape[:2]
    box_w, box_h = xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]
    left, top, right, bottom = xyxy + np.array([-_REACH[0] * box_w, -_REACH[1] * box_h, _REACH[2] * box_w, _REACH[3] * box_h])
    x0, y0 = min(max(int(left), 0), width - 1), min(max(int(top), 0), height - 1)
    x1, y1 = min(max(round(right), x0 + 1), width), min(max(round(bottom), y0 + 1), height)
    grid = cv2.resize(small[y0:y1, x0:x1], GRID_WH, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(grid, cv2.COLOR_BGR2YCrCb).tobytes()


def colour_distance(one: bytes, other: bytes) -> float:
    """Return the mean difference of two grids, 0 to about 200 levels; 0 where either is not known."""
    if not one or not other:
        return 0.0
    difference = np.abs(_grid(one) - _grid(other)).reshape(-1, 3).mean(axis=0)
    return float(_LUMA_WEIGHT * difference[0] + difference[1] + difference[2])


def blend(before: bytes, now: bytes) -> bytes:
    """Return the remembered colours after one more sight."""
    if not before:
        return now
    mixed = (1 - _UPDATE) * _grid(before) + _UPDATE * _grid(now)
    return np.rint(mixed).astype(np.uint8).tobytes()


def _grid(colours: bytes) -> Float32:
    return np.frombuffer(colours, np.uint8).astype(np.float32)
