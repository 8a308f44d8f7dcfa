"""Judges crops: how much an estimate of age and gender from one would be worth; imports types only.

A quality is the product of five factors in 0..1, each of which grows with what helps the model, so that the weakest one
names the reason of a rejection. The constants were set by eye on crops of two clips (docs/models.md); they rank crops and
weigh observations, and are no probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pipeline.types import Float32, UInt8

_HALF_SIZE_PX = 24.0  # a face of this height has a size factor of one half
_NOSE_WIDTH = 0.3  # sideways offset of the nose, in distances eyes-mouth, that costs a factor of e
_EYES_WIDTH = 0.35  # the same for the eyes' distance that is missing; it is about 1 where the face is frontal
_UNKNOWN_POSE = 0.5
_DETAIL_SIDE_PX = 28  # detail is looked for at a quarter of the crop's resolution: finer grain is noise and sharpening
_HALF_DETAIL = 0.15
_FLAT_VARIANCE = 9.0  # gray levels squared; below, what is seen is the sensor's noise
_SCORE_RANGE = (0.3, 0.9)


class Rejection(StrEnum):
    """Why a crop is not classified."""

    TOO_SMALL = "too_small"
    EDGE = "edge"  # cut off by the picture's edge
    PROFILE = "profile"  # turned away, or landmarks that are no face's
    BLURRED = "blurred"
    UNSURE = "unsure"  # the detector's score is low: backs of heads, things


@dataclass(frozen=True, slots=True, kw_only=True)
class CropQuality:
    """What a crop is worth, by factor; each 0..1."""

    size: float
    inside: float
    pose: float
    sharpness: float
    confidence: float

    @property
    def value(self) -> float:
        """The quality, 0..1."""
        return self.size * self.inside * self.pose * self.sharpness * self.confidence

    @property
    def weakest(self) -> Rejection:
        """The reason that the smallest factor stands for."""
        factors = {
            Rejection.TOO_SMALL: self.size,
            Rejection.EDGE: self.inside,
            Rejection.PROFILE: self.pose,
            Rejection.BLURRED: self.sharpness,
            Rejection.UNSURE: self.confidence,
        }
        return min(factors, key=factors.__getitem__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropGate:
    """What a crop must reach to be classified."""

    min_face_px: float  # height of the face's box in the full picture
    min_quality: float  # 0..1

    def too_small(self, xyxy: Float32) -> bool:
        """Say whether the box (4,) is too small, before anything is cut out."""
        return bool(xyxy[3] - xyxy[1] < self.min_face_px)

    def rejection(self, quality: CropQuality) -> Rejection | None:
        """Return why a crop of this quality is not classified, or None where it is."""
        return quality.weakest if quality.value < self.min_quality else None


def promised_quality(xyxy: Float32, landmarks: Float32, score: float, size_wh: tuple[int, int]) -> CropQuality:
    """Judge one face before it is cut out: the quality of its crop if that is perfectly sharp.

    Args:
        xyxy: (4,) box, pixels of the full picture.
        landmarks: (5, 2), pixels of the full picture, image-left first; NaN: not known.
        score: The detector's, 0..1.
        size_wh: The full picture's width and height, pixels.
    """
    low, high = _SCORE_RANGE
    return CropQuality(
        size=size_factor(max(float(xyxy[3] - xyxy[1]), 0.0)),
        inside=_inside(xyxy, size_wh),
        pose=_pose(landmarks),
        sharpness=1.0,
        confidence=min(max((score - low) / (high - low), 0.0), 1.0) ** 2,
    )


def crop_quality(promised: CropQuality, crop: UInt8) -> CropQuality:
    """Judge one face by its crop as well, aligned, (112, 112, 3) uint8 RGB."""
    return replace(promised, sharpness=_sharpness(crop))


def size_factor(height_px: float) -> float:
    """Return what the height of a face's box is worth, 0..1."""
    return height_px / (height_px + _HALF_SIZE_PX)


def _inside(xyxy: Float32, size_wh: tuple[int, int]) -> float:
    """Return 1 for a box inside the picture, falling to 0 where half of it is cut off."""
    left, top, right, bottom = xyxy.tolist()
    seen = max(min(right, size_wh[0]) - max(left, 0), 0) * max(min(bottom, size_wh[1]) - max(top, 0), 0)
    area = (right - left) * (bottom - top)
    return min(max(2 * seen / area - 1, 0.0), 1.0) if area > 0 else 0.0


def _pose(landmarks: Float32) -> float:
    """Return 1 for a frontal face, falling as it turns: the nose leaves the middle and the eyes draw together.

    Both are measured across the axis from between the eyes to between the mouth's corners, in units of its length, which
    turning sideways leaves alone and tilting the head rotates with.
    """
    if not np.isfinite(landmarks).all():
        return _UNKNOWN_POSE
    eye, other_eye, nose, corner, other_corner = (complex(x, y) for x, y in landmarks.tolist())
    middle = (eye + other_eye) / 2
    axis = (corner + other_corner) / 2 - middle
    if abs(axis) == 0:
        return 0.0
    # Divided by the axis, which points down, the imaginary part of a point lies across it: image-left is positive.
    offset = ((nose - middle) / axis).imag
    missing = max(1 - ((eye - other_eye) / axis).imag, 0.0)
    return exp(-((offset / _NOSE_WIDTH) ** 2) - (missing / _EYES_WIDTH) ** 2)


def _sharpness(crop: UInt8) -> float:
    """Return 0..1 from the energy of the Laplacian relative to the contrast (Pech-Pacheco et al., 2000), at low resolution."""
    gray = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (_DETAIL_SIDE_PX, _DETAIL_SIDE_PX), interpolation=cv2.INTER_AREA)
    (_, edges), (_, contrast) = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_32F)), cv2.meanStdDev(gray)
    detail = float(edges[0, 0]) ** 2 / (float(contrast[0, 0]) ** 2 + _FLAT_VARIANCE)
    return detail**2 / (detail**2 + _HALF_DETAIL**2)
