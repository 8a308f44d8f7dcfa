"""Makes the clip of `headcount run --demo`: one free photo, moved over a drawn room, so that the true answer is known.

The photo is skimage.data.astronaut: Eileen Collins, by NASA, in the public domain. Imports errors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import OutputContainer
    from av.video.stream import VideoStream

FPS = 25
SECONDS = 11
WIDTH_PX, HEIGHT_PX = 1280, 720
CREATED = "2026-01-05T09:00:00.000000Z"  # fixed, so that the rows of each run are the same

Picture: TypeAlias = NDArray[np.float32]

_PILLAR_PX = (540, 750)  # what walks behind it is gone
_BUST = (slice(5, 293), slice(126, 330))  # head and collar in the photo
_ENCODERS: tuple[tuple[Literal["libx264", "libopenh264", "mpeg4"], dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "20", "bf": "0"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "3"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One person's way through the room: between the stations, given as (second, x of the centre in pixels, scale), linearly."""

    stations: tuple[tuple[float, float, float], ...]
    mirrored: bool = False

    def at(self, second: float) -> tuple[float, float] | None:
        """Return x and scale at an instant, None before and after."""
        times, xs, scales = zip(*self.stations, strict=True)
        if not times[0] <= second <= times[-1]:
            return None
        return float(np.interp(second, times, xs)), float(np.interp(second, times, scales))


# The true answer: three visits, of which the first two are seen at the same time.
WALKS = (
    Walk(stations=((0.3, -90, 0.65), (4.0, 645, 0.85))),
    Walk(stations=((1.5, 1370, 0.75), (3.5, 1000, 0.85), (6.0, 960, 0.9), (8.5, 1380, 0.75)), mirrored=True),
    Walk(stations=((6.8, 645, 0.85), (10.5, -130, 1.15))),
)


def make_demo_clip(path: Path) -> None:
    """Write the clip: 1280x720, 25 frames a second, 11 s, a keyframe each second.

    Raises:
        ConfigurationError: The photo or an encoder is missing.
    """
    bust, mask = _bust()
    room = _room()
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        container.metadata["creation_time"] = CREATED
        stream = _video_stream(container)
        for index in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(_scene(room, bust, mask, index / FPS), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _bust() -> tuple[Picture, Picture]:
    """Return head and collar (h, w, 3) RGB 0..255, and how much of each pixel is seen (h, w, 1) 0..1."""
    try:
        from skimage.data import astronaut  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError:
        raise ConfigurationError("the demo needs scikit-image; install headcount[demo]") from None
    photo = astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no types
    bust: Picture = photo[_BUST].astype(np.float32)
    height, width = bust.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.hypot((x - width / 2) / (width / 2), (y - height / 2) / (height / 2))
    return bust, np.clip((1 - radius) * 8, 0, 1)[..., None].astype(np.float32)


def _room() -> NDArray[np.uint8]:
    shade = np.linspace(0.75, 1.0, HEIGHT_PX, dtype=np.float32)[:, None, None] * np.ones((1, WIDTH_PX, 1), np.float32)
    wall: Picture = shade * np.array((196, 202, 208), np.float32)
    wall[HEIGHT_PX * 4 // 5 :] *= np.array((0.62, 0.55, 0.5), np.float32)
    left, right = _PILLAR_PX
    wall[:, left:right] *= np.linspace(0.55, 0.75, right - left, dtype=np.float32)[None, :, None]
    return wall.round().astype(np.uint8)


def _scene(room: NDArray[np.uint8], bust: Picture, mask: Picture, second: float) -> NDArray[np.uint8]:
    picture = room.copy()
    for walk in WALKS:
        place = walk.at(second)
        if place is not None:
            _put(picture, bust[:, ::-1] if walk.mirrored else bust, mask, (*place, second))
    left, right = _PILLAR_PX
    picture[:, left:right] = room[:, left:right]
    return picture


def _put(picture: NDArray[np.uint8], bust: Picture, mask: Picture, place: tuple[float, float, float]) -> None:
    """Blend the bust into the picture at (x, scale, second), bobbing as somebody who walks."""
    x, scale, second = place
    left = x - scale * bust.shape[1] / 2
    top = HEIGHT_PX * 0.42 + 6 * np.sin(2 * np.pi * 1.8 * second) - scale * bust.shape[0] / 2
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(WIDTH_PX, int(left + scale * bust.shape[1]) + 2), min(HEIGHT_PX, int(top + scale * bust.shape[0]) + 2)
    if x0 >= x1:
        return
    matrix = np.array(((scale, 0, left - x0), (0, scale, top - y0)), np.float32)
    moved = cv2.warpAffine(np.ascontiguousarray(bust), matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    seen = cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)[..., None]
    window = picture[y0:y1, x0:x1]
    window[:] = (window + (moved - window) * seen).round().astype(np.uint8)


def _video_stream(container: OutputContainer) -> VideoStream:
    for name, options in _ENCODERS:
        try:
            stream = container.add_stream(name, rate=FPS, options=options)
        except av.FFmpegError:
            continue
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.gop_size = FPS
        stream.thread_count = 1  # the same bytes each time
        return stream
    raise ConfigurationError("this build of PyAV has no encoder for the demo's clip; install PyAV from PyPI")
