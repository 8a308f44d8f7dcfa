"""Clips for the benchmarks: 1080p, 25 frames/s, about 4 Mbit/s, a keyframe each second, no B-frames; made once, kept in a folder."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import av
import cv2
import numpy as np
from av.video.frame import PictureType

from services.demo import make_demo_clip
from tests.shared import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

FPS = 25
WIDTH_PX, HEIGHT_PX = 1920, 1080
_BIT_RATE = 4_000_000
_OPTIONS = {"preset": "veryfast", "x264-params": f"keyint={FPS}:min-keyint={FPS}:scenecut=0:bframes=0"}
_CREATED = "2026-01-05T09:00:00.000000Z"
_ARCADE = SHARED / "videos" / "arcade-crowd-1080p.mp4"
_EMPTY_FRAMES = 8 * FPS
_NOISE = 2.0  # gray levels
_SHIFTS_PX = 64


def busy(folder: Path, seconds: float) -> Path:
    """Return a clip of 5 to 9 faces a frame (without ../shared: the demo's, up to 2)."""
    name = "arcade" if _ARCADE.exists() else "demo"
    return repeated(_once(folder / f"{name}-loop.mp4", lambda: _frames_of(_source(folder))), folder / f"{name}-{seconds:g}s.mp4", seconds)


def empty(folder: Path, seconds: float) -> Path:
    """Return a clip of a room where nobody is, through a noisy sensor, by an encoder that has settled."""
    loop = _once(folder / "empty-loop.mp4", _noise)
    return repeated(loop, folder / f"empty-{seconds:g}s.mp4", seconds, skipped=_EMPTY_FRAMES // 2)


def _source(folder: Path) -> Path:
    if _ARCADE.exists():
        return _ARCADE
    clip = folder / "demo.mp4"
    make_demo_clip(clip)
    return clip


def _once(path: Path, frames: Callable[[], Iterator[av.VideoFrame]]) -> Path:
    if not path.exists():
        _encode(frames(), path)
    return path


def _frames_of(clip: Path) -> Iterator[av.VideoFrame]:
    """Yield whole seconds of a clip, so that the repeats join at a keyframe."""
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    yield from islice(frames, len(frames) // FPS * FPS)


def _noise() -> Iterator[av.VideoFrame]:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 200, (27, 48, 3)).astype(np.float32)
    room = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    noise = _NOISE * rng.standard_normal((HEIGHT_PX + _SHIFTS_PX, WIDTH_PX + _SHIFTS_PX, 3), np.float32)
    for y, x in rng.integers(0, _SHIFTS_PX, (_EMPTY_FRAMES, 2)):  # another part of it in each frame
        picture = room + noise[y : y + HEIGHT_PX, x : x + WIDTH_PX]
        yield av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")


def _encode(frames: Iterable[av.VideoFrame], path: Path) -> None:
    unfinished = path.with_suffix(".part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = cast("VideoStream", container.add_stream(cast("Any", "libx264"), rate=FPS, options=_OPTIONS))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH_PX, HEIGHT_PX, "yuv420p", _BIT_RATE
        for index, frame in enumerate(frames):
            scaled = frame.reformat(WIDTH_PX, HEIGHT_PX, "yuv420p")
            scaled.pts, scaled.time_base = index, Fraction(1, FPS)
            scaled.pict_type = PictureType.NONE  # the encoder decides
            container.mux(stream.encode(scaled))
        container.mux(stream.encode(None))
    unfinished.replace(path)


def repeated(loop: Path, path: Path, seconds: float, *, skipped: int = 0) -> Path:
    """Write a clip's packets (25 a second, no B-frames) again and again, without encoding them anew; return where."""
    if path.exists():
        return path
    unfinished = path.with_suffix(".part")
    with av.open(str(loop)) as source, av.open(str(unfinished), "w", format="mp4") as target:
        target.metadata["creation_time"] = _CREATED
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        ticks = round(Fraction(1, FPS) / cast("Fraction", stream.time_base))
        for index, packet in enumerate(islice(_again_and_again(source, skipped), round(seconds * FPS))):
            packet.pts = packet.dts = index * ticks  # without B-frames the order of display is that of the packets
            packet.stream = copy
            target.mux(packet)
    unfinished.replace(path)
    return path


def _again_and_again(source: InputContainer, skipped: int) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a clip without its first ones, without end."""
    while True:
        yield from islice((packet for packet in source.demux(video=0) if packet.size), skipped, None)
        source.seek(0)
