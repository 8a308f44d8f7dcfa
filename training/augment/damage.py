"""What cameras do to faces: darkness, motion, distance, compression, noise, somebody's shoulder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.types import UInt8

_MID = 128.0
_RANGE = 255.0


class Damage(BaseModel):
    """The share of faces that meets each kind of damage, 0..1, and the smallest face."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    light: float = 0.25
    motion: float = 0.12
    distance: float = 0.35
    smallest_px: float = 20.0  # height of the face
    compression: float = 0.13
    noise: float = 0.12
    cover: float = 0.3


def harm(face: UInt8, damage: Damage, dice: np.random.Generator) -> UInt8:
    """Return a face (s, s, 3) uint8 after what chance has in store for it, in the order in which cameras do it."""
    steps = (
        (damage.light, _light),
        (damage.cover, _cover),
        (damage.motion, _motion),
        (damage.noise, _noise),
    )
    for share, step in steps:
        if dice.random() < share:
            face = step(face, dice)
    if dice.random() < damage.distance:
        return _distance(face, damage.smallest_px, dice)
    return _compressed(face, dice) if dice.random() < damage.compression else face


def _light(face: UInt8, dice: np.random.Generator) -> UInt8:
    """Change exposure (gamma), contrast, brightness and the colour of the light; one in five becomes gray, as under infrared light."""
    bright = _RANGE * (face / np.float32(_RANGE)) ** np.float32(np.exp(dice.normal(0, 0.3)))
    bright = (bright - _MID) * np.exp(dice.normal(0, 0.2)) + _MID + dice.normal(0, 15)
    bright = bright * np.exp(dice.normal(0, 0.08, 3))
    if dice.random() < 0.2:  # noqa: PLR2004 - said above
        bright[:] = bright.mean(axis=2, keepdims=True)
    return np.asarray(np.clip(bright, 0, _RANGE), np.uint8)


def _cover(face: UInt8, dice: np.random.Generator) -> UInt8:
    """Hide a rectangle behind one colour (random erasing: Zhong et al., 2020)."""
    side = face.shape[0]
    height, width = (dice.uniform(0.1, 0.4, 2) * side).astype(int)
    top, left = int(dice.random() * (side - height)), int(dice.random() * (side - width))
    covered = face.copy()
    covered[top : top + height, left : left + width] = dice.integers(0, 256, 3)
    return covered


def _motion(face: UInt8, dice: np.random.Generator) -> UInt8:
    """Smear along a line of up to a fourteenth of the side, in any direction."""
    side = face.shape[0]
    length = max(int(dice.integers(3, 9)) * side // 112, 2) | 1
    middle, reach, angle = length // 2, length / 2, dice.uniform(0, np.pi)
    across, down = round(reach * np.cos(angle)), round(reach * np.sin(angle))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (middle - across, middle - down), (middle + across, middle + down), 1.0)
    return np.asarray(cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _noise(face: UInt8, dice: np.random.Generator) -> UInt8:
    """Add a sensor's noise, of 2 to 14 gray levels."""
    grain = dice.standard_normal(face.shape, np.float32) * np.float32(dice.uniform(2, 14))
    return np.clip(face + grain, 0, _RANGE).astype(np.uint8)


def _distance(face: UInt8, smallest_px: float, dice: np.random.Generator) -> UInt8:
    """Make the face small, sometimes compress it then, and scale it up again as the crop recipe does."""
    side = face.shape[0]
    small_side = max(round(np.exp(dice.uniform(np.log(smallest_px), np.log(90))) * side / 112), 8)
    averaged = cv2.INTER_AREA if dice.random() < 0.7 else cv2.INTER_LINEAR  # noqa: PLR2004 - some cameras average pixels, some do not
    small = np.asarray(cv2.resize(face, (small_side, small_side), interpolation=averaged), np.uint8)
    if dice.random() < 0.4:  # noqa: PLR2004 - "sometimes"
        small = _compressed(small, dice)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _compressed(face: UInt8, dice: np.random.Generator) -> UInt8:
    """Compress as JPEG; video's own artefacts look alike."""
    _, encoded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(dice.uniform(25, 85))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
