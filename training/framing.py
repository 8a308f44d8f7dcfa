"""Finds the face that a data set's picture is of, with the detector of the serving path; imports stages only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from pipeline.types import Detections
from training.left_out import UnusableError

if TYPE_CHECKING:
    from pipeline.ports import Detector
    from pipeline.types import Float32, UInt8

# Where eyes, nose and mouth corners lie in a picture that a face fills, in its sides (FairFace, UTKFace).
_USUAL = np.array([[0.31, 0.295], [0.68, 0.295], [0.497, 0.505], [0.335, 0.677], [0.657, 0.675]], np.float32)
# Detectors miss faces that a picture cuts off: its border is repeated around it, in heights.
_BORDER = 40 / 176


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How faces lie in a data set's pictures."""

    side_px: int  # the longer side of what the detector sees; larger pictures are made smaller
    min_height: float = 0.0  # of the face, in heights of the picture
    max_offset: float = float("inf")  # of the face's middle from the picture's, in heights, across and down
    largest: bool = False  # of several faces the largest is meant; else the one that is found most surely
    fills: bool = False  # where no face is found, the picture's places are taken


TIGHT = Framing(side_px=176, min_height=0.5, max_offset=0.25, fills=True)
"""The picture is the face."""
CENTRED = Framing(side_px=320, min_height=0.2, max_offset=0.25)
"""The face is in the middle, with a margin around it."""
ANYWHERE = Framing(side_px=640, largest=True)
"""Photos; the largest face is meant."""


class FacePlace(NamedTuple):
    """Where a face lies in a picture."""

    xyxy: Float32  # (4,) pixels
    landmarks: Float32  # (5, 2) pixels
    score: float  # the detector's, 0..1; NaN: it found none, and this is where faces lie as a rule

    @property
    def found(self) -> bool:
        """Whether the detector found it."""
        return not np.isnan(self.score)


def locate(rgb: UInt8, framing: Framing, detector: Detector) -> FacePlace:
    """Return where the face is that a picture (h, w, 3) is of.

    Raises:
        UnusableError: There is none where it should be.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, framing.side_px / max(height, width))
    found = _scaled(detector.detect(_seen(rgb, scale)), scale, _border_px(height, scale))
    tall = found.xyxy[:, 3] - found.xyxy[:, 1]
    offset = np.abs((found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 - np.array([width / 2, height / 2])).max(axis=1)
    fits = np.flatnonzero((offset < framing.max_offset * height) & (tall > framing.min_height * height))
    if len(fits):
        best = fits[np.argmax((tall if framing.largest else found.score)[fits])]
        return FacePlace(found.xyxy[best], found.landmarks[best], float(found.score[best]))
    if not framing.fills:
        raise UnusableError("no face found")
    sides = np.array([width, height], np.float32)
    return FacePlace(np.array([0, 0, width, height], np.float32), _USUAL * sides, float("nan"))


def _border_px(height: int, scale: float) -> int:
    return round(_BORDER * height * scale)


def _seen(rgb: UInt8, scale: float) -> UInt8:
    """Return what the detector sees: BGR, scaled, its border repeated."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    border = _border_px(len(bgr), scale)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in bgr.shape[:2])
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.copyMakeBorder(bgr, border, border, border, border, cv2.BORDER_REPLICATE), np.uint8)


def _scaled(found: Detections, scale: float, border: int) -> Detections:
    """Return detections in pixels of the picture itself."""
    factor = np.float32(1 / scale)
    return Detections(xyxy=(found.xyxy - border) * factor, score=found.score, landmarks=(found.landmarks - border) * factor)
