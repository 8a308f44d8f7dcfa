"""Faces as a camera farther away would show them.

A face of s pixels (the height of the detector's box) fills a square of 0.85 s pixels of its picture, which serving enlarges to the
112 pixels of the crop. So the aligned canvas is averaged down to that resolution, as a camera's pixels average, and its inner
square enlarged again with serving's own interpolation. 112 stands for the crop as it is, whatever the size of the face in its
picture. Not imitated: what a small face costs the detector in landmarks, and what video compression adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.stages.align import CROP_SIDE_PX
from training.faces import CANVAS_SIDE_PX, MARGIN_PX

if TYPE_CHECKING:
    from pipeline.types import UInt8

AS_IT_IS_PX = CROP_SIDE_PX
SIZES_PX = (AS_IT_IS_PX, 64, 48, 32, 24)
_CROP_SHARE = 0.85  # of the height of the box: the side of the crop (crop recipe `tight-1`, pipeline/stages/align.py)


def crop_of_size(canvas: UInt8, size_px: int) -> UInt8:
    """Return the serving crop (112, 112, 3) of a canvas (144, 144, 3), as if its face had been `size_px` high."""
    inner = slice(MARGIN_PX, MARGIN_PX + CROP_SIDE_PX)
    if size_px >= AS_IT_IS_PX:
        return canvas[inner, inner]
    side = round(CANVAS_SIDE_PX * _CROP_SHARE * size_px / CROP_SIDE_PX)
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    grown = CANVAS_SIDE_PX / side
    start = (grown - 1) / 2 - MARGIN_PX  # where the middle of the first pixel comes to lie
    to_crop = np.array([[grown, 0, start], [0, grown, start]])
    crop = cv2.warpAffine(small, to_crop, (CROP_SIDE_PX, CROP_SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)
