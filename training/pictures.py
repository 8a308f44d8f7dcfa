"""Decodes a data set's picture, with limits, and takes its perceptual fingerprint."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageOps

from training.left_out import UnusableError

if TYPE_CHECKING:
    from pipeline.types import UInt8
    from training.faces import UInt64

_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
_MAX_PIXELS = 50_000_000
_MIN_SIDE_PX = 16


def decode(content: bytes) -> UInt8:
    """Return a picture as (h, w, 3) RGB, upright; its size is looked at before it is decoded.

    Raises:
        UnusableError: It is no picture, is damaged, or too large or small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            picture = Image.open(BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise UnusableError("too many pixels") from None
    except Exception as error:  # noqa: BLE001 - whatever a decoder makes of what is no picture
        raise UnusableError("not a picture", type(error).__name__) from None
    with picture:
        if picture.width * picture.height > _MAX_PIXELS:
            raise UnusableError("too many pixels", f"{picture.width} x {picture.height}")
        if min(picture.size) < _MIN_SIDE_PX:
            raise UnusableError("too small", f"{picture.width} x {picture.height}")
        try:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # 16 bits of gray, of which convert() would make white
                upright = Image.fromarray((np.asarray(upright) // 256).astype(np.uint8))
            return np.array(upright.convert("RGB"))
        except Exception as error:  # noqa: BLE001 - as above
            raise UnusableError("damaged picture", type(error).__name__) from None


def fingerprint(rgb: UInt8) -> UInt64:
    """Return the difference hash of a picture (h, w, 3): (4,), 256 bits, each whether it becomes brighter to the right (Krawetz, 2013)."""
    gray = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (17, 16), interpolation=cv2.INTER_AREA)
    return np.packbits(gray[:, 1:] > gray[:, :-1]).view(np.uint64)


class WholePicture:
    """A decoded picture as the stages want it (`pipeline.types.Picture`)."""

    def __init__(self, rgb: UInt8) -> None:
        self._rgb = rgb

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self._rgb.shape[1], self._rgb.shape[0]

    def window(self, x0: int, y0: int, x1: int, y1: int) -> UInt8:
        """Return a window (y1-y0, x1-x0, 3) RGB."""
        return self._rgb[y0:y1, x0:x1].copy()
