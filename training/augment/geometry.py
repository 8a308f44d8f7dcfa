"""Where the face lies in its crop: what detectors and landmarks leave to chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.stages.align import CROP_SIDE_PX

if TYPE_CHECKING:
    from pipeline.types import UInt8


class Placement(BaseModel):
    """How far a face may lie from where the crop recipe puts it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    turn_sigma_deg: float = 6.0
    shift_sigma_px: float = 3.0  # of the 112-pixel crop
    zoom_out: float = 0.16  # the logarithm of the scale is even between -zoom_out ...
    zoom_in: float = 0.12  # ... and zoom_in
    flip: bool = True


def place(canvas: UInt8, placement: Placement, side_px: int, dice: np.random.Generator) -> UInt8:
    """Return a crop (side_px, side_px, 3) of a canvas: turned, moved, scaled and mirrored by chance, in one warp.

    Args:
        canvas: (s, s, 3) uint8, the serving crop in its middle with a margin.
        placement: By how much.
        side_px: Of the result; it shows what a serving crop shows, whatever its resolution.
        dice: Decides.
    """
    turn = np.deg2rad(dice.normal(0, placement.turn_sigma_deg))
    scale = np.exp(dice.uniform(-placement.zoom_out, placement.zoom_in)) * side_px / CROP_SIDE_PX
    mirror = -1 if placement.flip and dice.random() < 0.5 else 1  # noqa: PLR2004 - a fair coin
    turned = scale * np.array([[mirror * np.cos(turn), -mirror * np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = (canvas.shape[0] - 1) / 2 + dice.normal(0, placement.shift_sigma_px, 2)
    to_crop = np.column_stack([turned, (side_px - 1) / 2 - turned @ middle])
    side = (side_px, side_px)
    return np.asarray(cv2.warpAffine(canvas, to_crop, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
