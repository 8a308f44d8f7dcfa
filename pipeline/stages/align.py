"""Cuts a face out of the full picture as the model wants it (crop recipe `tight-1`); imports types only.

The recipe is the one that the weights were trained with (triton_models/face_attributes/CARD.md): another one costs more
accuracy than another network.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32, Picture, UInt8

CROP_RECIPE = "tight-1"
CROP_SIDE_PX = 112

_LANDMARKS = np.array([[31.68, 29.76], [79.30, 29.63], [55.62, 56.64], [34.88, 78.66], [76.10, 78.40]], np.float32)
# Without landmarks, the square that does as well, in heights of the face's box.
_SQUARE_SIDE = 0.85
_SQUARE_LOWER = 0.06
# Landmarks that ask for a crop so much larger or smaller than that square are wrong (the five points of a profile nearly fall together).
_MAX_SCALE_RATIO = 2.0


def align(picture: Picture, xyxy: Float32, landmarks: Float32, *, margin_px: int = 0) -> UInt8:
    """Return the aligned crop (112, 112, 3) uint8 RGB of one face; only the window that it needs is converted.

    A similarity transform takes the landmarks to their places by least median of squares, so that one bad landmark does not
    count; bilinear, the picture's border replicated.

    Args:
        picture: The full picture.
        xyxy: (4,) box, pixels of the full picture, with an area.
        landmarks: (5, 2), pixels, image-left first; NaN: not known, the square of the box is taken.
        margin_px: What is wanted beyond the crop on each side, pixels of the crop: training moves and turns the crop within it.
    """
    to_crop = _transform(xyxy, landmarks)
    to_crop[:, 2] += margin_px
    side_px = CROP_SIDE_PX + 2 * margin_px
    x0, y0, x1, y1 = _window(to_crop, side_px, picture.size_wh)
    window = picture.window(x0, y0, x1, y1)
    to_crop[:, 2] += to_crop[:, :2] @ (x0, y0)
    window, to_crop = _shrunk(window, to_crop)
    crop = cv2.warpAffine(window, to_crop, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def _crop_scale(xyxy: Float32) -> float:
    """Return pixels of the crop per pixel of the full picture, as the box (4,) alone gives it."""
    return float(CROP_SIDE_PX / (_SQUARE_SIDE * max(xyxy[3] - xyxy[1], 1)))


def _transform(xyxy: Float32, landmarks: Float32) -> NDArray[np.float64]:
    """Return the 2x3 transform from the full picture to the crop."""
    usual = _crop_scale(xyxy)
    if np.isfinite(landmarks).all():
        found, _ = cv2.estimateAffinePartial2D(landmarks, _LANDMARKS, method=cv2.LMEDS)
        if found is not None and usual / _MAX_SCALE_RATIO <= np.hypot(found[0, 0], found[1, 0]) <= usual * _MAX_SCALE_RATIO:
            return np.asarray(found, np.float64)
    x, y = (xyxy[0] + xyxy[2]) / 2, (xyxy[1] + xyxy[3]) / 2 + _SQUARE_LOWER * (xyxy[3] - xyxy[1])
    middle = (CROP_SIDE_PX - 1) / 2
    return np.array([[usual, 0, middle - usual * x], [0, usual, middle - usual * y]], np.float64)


def _window(to_crop: NDArray[np.float64], side_px: int, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the window x0, y0, x1, y1 that the crop of that side reads, clipped to the picture, with at least one pixel."""
    across, down = cv2.invertAffineTransform(to_crop).tolist()
    x0, x1 = _read(across, side_px, size_wh[0])
    y0, y1 = _read(down, side_px, size_wh[1])
    return x0, y0, x1, y1


def _read(row: list[float], side_px: int, limit: int) -> tuple[int, int]:
    """Return from where and up to where the crop reads along one side of the picture; `row` takes its pixels there."""
    by_x, by_y, start = row
    ways = (by_x * (side_px - 1), by_y * (side_px - 1))
    low = min(max(floor(start + sum(min(way, 0) for way in ways)) - 1, 0), limit - 1)
    return low, min(max(ceil(start + sum(max(way, 0) for way in ways)) + 2, low + 1), limit)


def _shrunk(window: UInt8, to_crop: NDArray[np.float64]) -> tuple[UInt8, NDArray[np.float64]]:
    """Average pixels first where the crop has fewer than half of the window's: bilinear alone would skip some."""
    factor = int(1 / np.hypot(to_crop[0, 0], to_crop[1, 0]))
    if factor < 2:  # noqa: PLR2004 - no pixel is skipped up to here
        return window, to_crop
    size = np.array([max(1, round(window.shape[1] / factor)), max(1, round(window.shape[0] / factor))])
    grown = np.array([window.shape[1], window.shape[0]]) / size
    small = cv2.resize(window, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    shift = to_crop[:, :2] @ ((grown - 1) / 2) + to_crop[:, 2]
    return np.asarray(small, np.uint8), np.column_stack([to_crop[:, :2] * grown, shift])
