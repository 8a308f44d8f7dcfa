"""Encodes what cannot be remuxed (GIF, pictures, raw video, endless groups of pictures) as MJPEG; imports its own package only."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import av
from av import VideoFrame
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from pipeline.video.cut import Cutter, Unit
from pipeline.video.mux import ShapedRun, mjpeg
from pipeline.video.packets import MILLISECOND, to_ms
from pipeline.video.picture import quarter_turns, to_rgb, upright

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.packet import Packet
    from av.video.stream import VideoStream

    from pipeline.video.cut import Limits, Run

_QUALITY = 3  # of 2..31: small faces keep their detail
_LAMBDA = 118  # FFmpeg's FF_QP2LAMBDA
_SMALLEST_PX = 2  # one chroma sample


class PictureCutter:
    """Encodes pictures one by one and collects them into runs of one size."""

    def __init__(self, limits: Limits, frame_ms: int) -> None:
        self._max_bytes = limits.max_bytes
        self._cutter = Cutter(limits, frame_ms)
        self._size_wh = (0, 0)

    def push(self, frame: VideoFrame, pts_ms: int) -> list[ShapedRun]:
        """Take the next picture; return the runs that are complete now."""
        packet, size_wh = _fitting_jpeg(_plain(frame), self._max_bytes)
        runs = self.finish() if size_wh != self._size_wh else []
        self._size_wh = size_wh
        return runs + self._shaped(self._cutter.push(Unit(packet=packet, pts_ms=pts_ms, key=True, size=packet.size)))

    def finish(self) -> list[ShapedRun]:
        """Return what is left."""
        return self._shaped(self._cutter.finish())

    def _shaped(self, runs: Iterable[Run]) -> list[ShapedRun]:
        shape = mjpeg(*self._size_wh)
        return [ShapedRun(run=run, shape=shape) for run in runs]


class Transcoder:
    """Decodes a stream's packets and encodes their pictures."""

    def __init__(self, stream: VideoStream, pictures: PictureCutter) -> None:
        self._decoder = stream.codec_context
        self._time_base = stream.time_base or MILLISECOND  # frames that a drained decoder gives have none
        self._pictures = pictures
        self.errors = 0  # packets that could not be decoded

    def push(self, packet: Packet[VideoStream], from_ms: int | None = None) -> Iterator[ShapedRun]:
        """Yield the runs that this packet completes, of pictures shown at `from_ms` or later."""
        for frame, pts_ms in self._decode(packet):
            if from_ms is None or pts_ms >= from_ms:
                yield from self._pictures.push(frame, pts_ms)

    def finish(self) -> Iterator[ShapedRun]:
        """Yield what is left; the next packet must be a keyframe."""
        for frame, pts_ms in self._decode(None):
            yield from self._pictures.push(frame, pts_ms)
        self._decoder.flush_buffers()
        yield from self._pictures.finish()

    def _decode(self, packet: Packet[VideoStream] | None) -> list[tuple[VideoFrame, int]]:
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            self.errors += 1
            return []
        return [(frame, to_ms(frame.pts, self._time_base)) for frame in frames if frame.pts is not None]


def _fitting_jpeg(picture: VideoFrame, max_bytes: int) -> tuple[Packet[VideoStream], tuple[int, int]]:
    """Return the JPEG and its size, pixels; the picture is halved until it fits into a segment."""
    while True:
        packet = _jpeg(picture)
        if packet.size <= max_bytes or min(picture.width, picture.height) <= _SMALLEST_PX:
            return packet, (picture.width, picture.height)
        picture = picture.reformat(width=_even(picture.width // 2), height=_even(picture.height // 2))


def _plain(frame: VideoFrame) -> VideoFrame:
    """Return the picture upright, opaque, with even sides and the full range of 4:2:0 JPEG."""
    picture = VideoFrame.from_ndarray(upright(to_rgb(frame), quarter_turns(frame)), format="rgb24")
    return picture.reformat(width=_even(picture.width), height=_even(picture.height), format="yuvj420p", dst_color_range="JPEG")


def _even(side_px: int) -> int:
    return max(_SMALLEST_PX, side_px + side_px % 2)


def _jpeg(picture: VideoFrame) -> Packet[VideoStream]:
    context = VideoCodecContext.create("mjpeg", "w")
    context.width, context.height = picture.width, picture.height
    context.pix_fmt = "yuvj420p"
    context.time_base = MILLISECOND
    context.thread_count = 1
    context.flags |= Flags.bitexact
    context.qscale = True
    context.global_quality = _QUALITY * _LAMBDA
    picture.pts = 0
    picture.time_base = MILLISECOND
    return cast("Packet[VideoStream]", [*context.encode(picture), *context.encode(None)][0])
