"""OpenCV's Haar cascade of frontal faces, for comparison only (no landmarks); imports types and the detectors' own modules only.

Viola, Jones: "Rapid Object Detection using a Boosted Cascade of Simple Features" (2001).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.stages.detect.boxes import detections

if TYPE_CHECKING:
    from pipeline.types import Detections, UInt8

_CASCADE = "haarcascade_frontalface_default.xml"
_SMALLEST_FACE_PX = 20
_SCALE_STEP = 1.1
_MIN_NEIGHBOURS = 3


class Haar:
    """The cascade that comes with OpenCV.

    `score` is 1 - exp(-w) of the last stage's margin w over its threshold: 0.63 at 1, where true faces begin to outnumber
    false ones, and 0 below the threshold.

    Raises:
        ValueError: This OpenCV has no such cascade.
    """

    def __init__(self, *, low_threshold: float) -> None:
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _CASCADE))
        if self._cascade.empty():
            raise ValueError(f"OpenCV {cv2.__version__} has no {_CASCADE}")
        self._busy = threading.Lock()  # the cascade keeps the picture that it works on
        self._low_threshold = low_threshold
        self.name = f"haar@opencv-{cv2.__version__}"

    def detect(self, picture: UInt8) -> Detections:
        """Find faces in (h, w, 3) uint8 BGR; boxes in its pixels, best first, landmarks NaN."""
        gray = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        with self._busy:
            found, _, margins = self._cascade.detectMultiScale3(
                gray,
                scaleFactor=_SCALE_STEP,
                minNeighbors=_MIN_NEIGHBOURS,
                minSize=(_SMALLEST_FACE_PX, _SMALLEST_FACE_PX),
                outputRejectLevels=True,
            )
        xywh = np.asarray(found, np.float32).reshape(-1, 4)
        score = 1 - np.exp(-np.maximum(np.asarray(margins, np.float32).reshape(-1), 0))
        kept = score >= self._low_threshold
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)[kept]
        unknown = np.full((len(xyxy), 5, 2), np.nan, np.float32)
        return detections(xyxy, score[kept], unknown, (gray.shape[1], gray.shape[0]))
