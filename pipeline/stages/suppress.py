"""Drops detections that are another face's hair; pure.

A head that looks down is often found twice, as hair and as face, with too little overlap for non-maximum suppression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Detections

_ABOVE = (0.4, 1.0)  # heights above the face's centre; a person behind who shows there is further away: smaller
_ASIDE = 0.5  # heights
_RATIO = 0.75  # of the heights, or more


def hair(detections: Detections) -> NDArray[np.bool_]:
    """Return (n,) bool: which detections lie where one of a better score has its hair."""
    box = detections.xyxy.astype(np.float64)
    centre = (box[:, :2] + box[:, 2:]) / 2
    height = np.maximum(box[:, 3] - box[:, 1], 1.0)
    aside, above = np.moveaxis((centre[None] - centre[:, None]) / height[None, :, None], 2, 0)  # of row i against face j
    better = detections.score[None] > detections.score[:, None]
    placed = (np.abs(aside) < _ASIDE) & (above > _ABOVE[0]) & (above < _ABOVE[1])
    alike = height[:, None] > _RATIO * height[None]
    return np.asarray((placed & alike & better).any(axis=1))
