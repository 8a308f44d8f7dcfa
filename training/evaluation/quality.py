"""What the serving path's gate would say of the faces that are evaluated."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.choose import CropQuality, crop_quality, size_factor
from training.evaluation.small import crop_of_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.faces import Faces

POSES = SHARPNESSES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
QUALITIES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 1.0)
"""Borders between which figures are drawn up."""


def crop_qualities(faces: Faces, size_px: int) -> list[CropQuality]:
    """Return the quality of each crop, its face `size_px` high; factors that are not known are NaN."""
    return [
        crop_quality(
            CropQuality(size=size_factor(size_px), inside=inside, pose=pose, sharpness=1.0, confidence=confidence),
            crop_of_size(faces.canvases[row], size_px),
        )
        for row, (inside, pose, confidence) in zip(faces.rows.tolist(), faces.seen.tolist(), strict=True)
    ]


def between(borders: Sequence[float], values: Sequence[float]) -> dict[str, NDArray[np.bool_]]:
    """Return which of the values (n,) lie between each two borders, the upper one excluded unless it is the last; NaN lies nowhere."""
    found = np.array(values)
    return {f"{low:g} to {high:g}": (found >= low) & ((found < high) | (high == borders[-1])) for low, high in pairwise(borders)}
