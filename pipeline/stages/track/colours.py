"""Coarse colours of a head, so that the tracker can tell people apart; pure.

A 4 x 8 grid of mean colours over hair and face, 96 bytes: it lives in the track's state and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.types import Float32, UInt8

GRID_WH = (4, 8)
_REACH = (0.1, 0.3, 0.1, 0.1)
"""How far the grid reaches beyond the face's left, top, right and bottom, in face widths and heights."""

_WEIGHTS = np.array([0.5, 1, 1], np.float32)  # light changes on the way through a picture, colour less so
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


def colour_distances(ones: Sequence[bytes], others: Sequence[bytes]) -> NDArray[np.float64]:
    """Return the mean differences (n, m) of grids, 0 to about 200 levels; 0 where either is not known."""
    known = np.outer(np.array([len(one) > 0 for one in ones], bool), np.array([len(other) > 0 for other in others], bool))
    differences = np.abs(_grids(ones)[:, None] - _grids(others)[None]).mean(axis=2) @ _WEIGHTS
    return np.where(known, differences, 0.0)


def blend(before: bytes, now: bytes) -> bytes:
    """Return the remembered colours after one more sight."""
    if not before:
        return now
    mixed = (1 - _UPDATE) * _grid(before) + _UPDATE * _grid(now)
    return np.rint(mixed).astype(np.uint8).tobytes()


def _grids(colours: Sequence[bytes]) -> Float32:
    """Return (n, cells, channels), zero where they are not known."""
    cells, channels = GRID_WH[0] * GRID_WH[1], len(_WEIGHTS)
    return _grid(b"".join(one or bytes(cells * channels) for one in colours)).reshape(len(colours), cells, channels)


def _grid(colours: bytes) -> Float32:
    return np.frombuffer(colours, np.uint8).astype(np.float32)
