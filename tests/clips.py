"""Small clips for tests, encoded on the spot; each frame's number can be seen in its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from av.video.stream import VideoStream

    from pipeline.types import UInt8


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What to encode."""

    encoder: str = "libx264"
    suffix: str = ".mp4"
    frames: int = 60
    fps: int = 10
    size_wh: tuple[int, int] = (96, 64)
    gop: int = 10
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    first_pts: int = 0  # in frames
    rotation: int = 0  # degrees counterclockwise
    metadata: dict[str, str] = field(default_factory=dict)


X264_CLOSED = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0", "threads": "1"}
X264_B = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=3:b-pyramid=normal:open-gop=0", "threads": "1"}
X264_OPEN = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=3:open-gop=1", "threads": "1"}
VP8_STEADY = {"deadline": "realtime", "cpu-used": "-8"}  # 8 would be as much effort as there is time for, other bytes on a busy machine
X265_QUIET = "log-level=none:pools=1:frame-threads=1:"

CODECS = {
    "h264": Clip(options=X264_CLOSED),
    "h264-b": Clip(options=X264_B),
    "h264-open": Clip(options=X264_OPEN),
    "h264-ts": Clip(options=X264_B, suffix=".ts"),
    "hevc": Clip(encoder="libx265", options={"x265-params": X265_QUIET + "keyint=10:min-keyint=10:open-gop=0:scenecut=0"}),
    "hevc-open": Clip(encoder="libx265", options={"x265-params": X265_QUIET + "keyint=10:min-keyint=10:open-gop=1:scenecut=0"}),
    "mpeg4": Clip(encoder="mpeg4"),
    "mpeg4-open": Clip(encoder="mpeg4", suffix=".mkv", options={"bf": "2"}),
    "mjpeg": Clip(encoder="mjpeg", suffix=".avi", pix_fmt="yuvj420p"),
    "mjpeg-422": Clip(encoder="mjpeg", suffix=".mkv", pix_fmt="yuvj422p"),
    "vp8": Clip(encoder="libvpx", suffix=".webm", options=VP8_STEADY),
    "vp9": Clip(encoder="libvpx-vp9", suffix=".webm", options={"deadline": "realtime", "cpu-used": "8", "row-mt": "0"}),
    "av1": Clip(encoder="libsvtav1", suffix=".mkv", options={"preset": "12", "svtav1-params": "lp=1"}),
}


def picture(index: int, size_wh: tuple[int, int] = (96, 64)) -> UInt8:
    """Return the RGB picture of a frame: a moving block over a gradient."""
    width, height = size_wh
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(40, 200, width, dtype=np.uint8)
    rgb[..., 1] = np.linspace(60, 180, height, dtype=np.uint8)[:, None]
    left = 4 * index % max(1, width - 16)
    rgb[height // 4 : height // 4 + 16, left : left + 16] = (220, 30, 60 + 3 * index % 150)
    return rgb


def make_clip(path: Path, clip: Clip) -> Path:
    """Write a clip to `path`, which gets the clip's suffix; return where it is."""
    path = path.with_suffix(clip.suffix)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        container.metadata.update(clip.metadata)
        stream = cast("VideoStream", container.add_stream(cast("Any", clip.encoder), rate=clip.fps, options=clip.options))
        stream.width, stream.height = clip.size_wh
        stream.pix_fmt = clip.pix_fmt
        stream.gop_size = clip.gop
        stream.thread_count = 1
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        for index in range(clip.frames):
            frame = av.VideoFrame.from_ndarray(picture(index, clip.size_wh), format="rgb24").reformat(format=clip.pix_fmt)
            frame.pts, frame.time_base = clip.first_pts + index, Fraction(1, clip.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_pictures(folder: Path, pictures: Iterable[tuple[str, UInt8]]) -> Path:
    """Write picture files by name into `folder`."""
    folder.mkdir(exist_ok=True)
    for name, rgb in pictures:
        codec = "png" if name.endswith(".png") else "mjpeg"
        format_ = {"png": "rgb24", "mjpeg": "yuvj444p"}[codec]
        context = cast("Any", av.CodecContext.create(codec, "w"))
        context.width, context.height, context.pix_fmt, context.time_base = rgb.shape[1], rgb.shape[0], format_, Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=format_)
        frame.pts = 0
        (folder / name).write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
    return folder
