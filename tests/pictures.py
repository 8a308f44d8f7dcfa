"""Pictures for tests: an array as a `Picture`, and the one free photo of a face."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from skimage.data import astronaut

if TYPE_CHECKING:
    from pipeline.types import UInt8


class ArrayPicture:
    """A `pipeline.types.Picture` of an RGB array; refuses windows that do not lie inside."""

    def __init__(self, rgb: UInt8) -> None:
        self._rgb = rgb
        self.windows: list[tuple[int, int, int, int]] = []

    @property
    def size_wh(self) -> tuple[int, int]:
        return self._rgb.shape[1], self._rgb.shape[0]

    def window(self, x0: int, y0: int, x1: int, y1: int) -> UInt8:
        width, height = self.size_wh
        assert 0 <= x0 < x1 <= width, (x0, x1, width)
        assert 0 <= y0 < y1 <= height, (y0, y1, height)
        self.windows.append((x0, y0, x1, y1))
        return self._rgb[y0:y1, x0:x1].copy()


# What YuNet says of the photo: box, and landmarks image-left first.
ASTRONAUT_XYXY = np.array([178.1, 65.0, 269.5, 176.4], np.float32)
ASTRONAUT_LANDMARKS = np.array([[203.35, 103.62], [247.52, 104.45], [224.10, 127.69], [203.96, 143.14], [242.91, 143.67]], np.float32)


@cache
def astronaut_rgb() -> UInt8:
    """Return NASA's portrait of Eileen Collins, (512, 512, 3) RGB."""
    return np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]  # scikit-image ships no types


def astronaut_bgr() -> UInt8:
    """Return the same in BGR."""
    return np.ascontiguousarray(astronaut_rgb()[:, :, ::-1])
