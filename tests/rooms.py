"""Videos as cameras encode them, and rooms that are empty but for noise: material for tests of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.types import UInt8

FPS = 25


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a camera is set."""

    interval_s: float = 1.0  # between keyframes
    b_frames: int = 0
    kbps: int | None = None  # constant bit rate; None: constant quality

    @property
    def options(self) -> dict[str, str]:
        group = round(FPS * self.interval_s)
        words = [f"keyint={group}:min-keyint={group}:scenecut=0:open-gop=0:bframes={self.b_frames}"]
        if self.kbps is not None:
            words.append(f"bitrate={self.kbps}:vbv-maxrate={self.kbps}:vbv-bufsize={self.kbps}:nal-hrd=cbr")
        quality = {} if self.kbps is not None else {"crf": "23"}
        return {"preset": "veryfast", "threads": "1", "x264-params": ":".join(words), **quality}


def encode(path: Path, pictures: Iterable[UInt8], how: Encoding) -> Path:
    """Write (h, w, 3) RGB pictures, 25 a second, and return where."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=how.options)
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for index, rgb in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pictures_of(path: Path) -> list[UInt8]:
    """Return a clip's pictures, 25 a second, with even sides."""
    with av.open(str(path)) as container:
        shown = [(frame.time or 0.0, cast("UInt8", frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]
    times = np.array([time for time, _ in shown])
    height, width = (side // 2 * 2 for side in shown[0][1].shape[:2])
    count = round((times[-1] - times[0]) * FPS) + 1
    return [shown[int(np.searchsorted(times, times[0] + index / FPS + 1e-6)) - 1][1][:height, :width] for index in range(count)]


def with_an_empty_room_around(pictures: list[UInt8], before: int, after: int) -> Iterator[UInt8]:
    """Yield pictures with so many of an empty, noisy room before and after them."""
    room = np.full_like(pictures[0], 110)
    yield from noisy([room] * before)
    yield from pictures
    yield from noisy([room] * after)


def noisy(pictures: Iterable[UInt8], deviation: float = 3.0) -> Iterator[UInt8]:
    """Add a sensor's noise, the same each time."""
    random = np.random.default_rng(1)
    sheet: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
    for picture in pictures:
        if sheet is None:
            sheet = np.rint(random.normal(0, deviation, (*picture.shape[:2], 1))).astype(np.int16)
        moved = np.roll(sheet, (int(random.integers(1000)), int(random.integers(1000))), (0, 1))
        yield np.clip(picture + moved, 0, 255).astype(np.uint8)
