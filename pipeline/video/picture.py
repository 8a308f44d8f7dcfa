"""Converts decoded pictures: upright, opaque, in part or made small; imports nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import UInt8

# Pixel formats of which a window can be copied plane by plane: bytes per sample, and the planes' (columns, rows) per chroma sample.
_WINDOWED = {
    "yuv420p": (1, (2, 2)),
    "yuvj420p": (1, (2, 2)),
    "yuv422p": (1, (2, 1)),
    "yuvj422p": (1, (2, 1)),
    "yuv444p": (1, (1, 1)),
    "yuvj444p": (1, (1, 1)),
    "yuv420p10le": (2, (2, 2)),
    "yuv422p10le": (2, (2, 1)),
    "yuv444p10le": (2, (1, 1)),
    "gray": (1, (1, 1)),
}
_MARGIN_PX = 4  # even
_WHITE = 255
_GRAY_WH = (160, 90)


def quarter_turns(frame: VideoFrame) -> int:
    """Return how many quarter turns counterclockwise set the frame upright (0..3)."""
    return round(frame.rotation / 90) % 4


def upright(array: UInt8, turns: int) -> UInt8:
    """Turn (h, w, c) counterclockwise by quarter turns; the result is contiguous and owns its memory."""
    return np.ascontiguousarray(np.rot90(array, turns)) if turns else array


def to_rgb(frame: VideoFrame) -> UInt8:
    """Return the whole frame as (h, w, 3) uint8 RGB, not turned; transparent parts become white."""
    if not any(component.is_alpha for component in frame.format.components) and frame.format.name != "pal8":
        return cast("UInt8", frame.to_ndarray(format="rgb24"))
    rgba = cast("UInt8", frame.to_ndarray(format="rgba")).astype(np.uint16)
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    blended: UInt8 = ((colour * alpha + _WHITE * (_WHITE - alpha) + _WHITE // 2) // _WHITE).astype(np.uint8)
    return blended


class Scaler:
    """Makes the detector's small pictures; keep one per camera (libswscale's tables are kept inside)."""

    def __init__(self, side_px: int) -> None:
        self._side_px = side_px
        self._reformatter = VideoReformatter()
        self._grays = VideoReformatter()  # each its own, for its tables are of other sizes
        self.windows = VideoReformatter()  # for DecodedPicture

    def small(self, frame: VideoFrame) -> UInt8:
        """Return the upright frame as (h, w, 3) uint8 BGR, its longer side at most `side_px`."""
        factor = min(1.0, self._side_px / max(frame.width, frame.height))
        small = self._reformatter.reformat(
            frame,
            width=max(1, round(frame.width * factor)),
            height=max(1, round(frame.height * factor)),
            format="bgr24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return upright(cast("UInt8", small.to_ndarray()), quarter_turns(frame))

    def gray(self, frame: VideoFrame) -> UInt8:
        """Return the whole frame as (90, 160) uint8 gray, not turned: to be compared with others of the same camera, and fast."""
        width, height = _GRAY_WH
        small = self._grays.reformat(frame, width=width, height=height, format="gray", interpolation=Interpolation.FAST_BILINEAR, threads=1)
        return cast("UInt8", small.to_ndarray())


class DecodedPicture:
    """A decoded frame at full resolution, upright; implements `pipeline.types.Picture`.

    Args:
        frame: As decoded.
        windows: Converts windows; one that is kept over frames makes each of them many times cheaper. Used by one thread at a time.
    """

    def __init__(self, frame: VideoFrame, windows: VideoReformatter | None = None) -> None:
        self._frame = frame
        self._turns = quarter_turns(frame)
        self._windows = windows or VideoReformatter()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        width, height = self._frame.width, self._frame.height
        return (height, width) if self._turns % 2 else (width, height)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> UInt8:
        """Return the window (y1-y0, x1-x0, 3) uint8 RGB; the result owns its memory.

        Raises:
            ValueError: The window is empty or reaches outside.
        """
        width, height = self.size_wh
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f"window: expected one inside {width}x{height}, got {x0},{y0} to {x1},{y1}")
        return upright(self._raw(*self._turned(x0, y0, x1, y1)), self._turns)

    def _turned(self, x0: int, y0: int, x1: int, y1: int) -> tuple[int, int, int, int]:
        width, height = self._frame.width, self._frame.height
        return {
            0: (x0, y0, x1, y1),
            1: (width - y1, x0, width - y0, x1),
            2: (width - x1, height - y1, width - x0, height - y0),
            3: (y0, height - x1, y1, height - x0),
        }[self._turns]

    def _raw(self, x0: int, y0: int, x1: int, y1: int) -> UInt8:
        if self._frame.format.name not in _WINDOWED:
            return to_rgb(self._frame)[y0:y1, x0:x1].copy()
        left, top, part = _cut_planes(self._frame, x0, y0, x1, y1)
        whole = cast("UInt8", self._windows.reformat(part, format="rgb24", threads=1).to_ndarray())
        return whole[y0 - top : y1 - top, x0 - left : x1 - left].copy()


def _cut_planes(frame: VideoFrame, x0: int, y0: int, x1: int, y1: int) -> tuple[int, int, VideoFrame]:
    """Copy a window into a frame of its own: full-resolution colours are never made.

    It is grown to even sides, on which libswscale takes the same way as for the whole picture, and by a margin, because it
    interpolates colours between neighbours.
    """
    sample_bytes, (columns, rows) = _WINDOWED[frame.format.name]
    left, top = max(0, x0 - x0 % 2 - _MARGIN_PX), max(0, y0 - y0 % 2 - _MARGIN_PX)
    right, bottom = min(frame.width, x1 + x1 % 2 + _MARGIN_PX), min(frame.height, y1 + y1 % 2 + _MARGIN_PX)
    part = VideoFrame(right - left, bottom - top, frame.format.name)
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    for index, (source, target) in enumerate(zip(frame.planes, part.planes, strict=True)):
        x, y = (left, top) if index == 0 else (left // columns, top // rows)
        line = target.width * sample_bytes
        from_x = x * sample_bytes
        _rows(target)[: target.height, :line] = _rows(source)[y : y + target.height, from_x : from_x + line]
    return left, top, part


def _rows(plane: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - the buffer protocol has no type before Python 3.12
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
