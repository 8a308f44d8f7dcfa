"""Decodes segments into sampled frames; pure: what comes out depends on the segment and the state only.

Imports types, metrics, the video package, PyAV.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from pipeline.metrics import Stage, timed
from pipeline.types import Frame
from pipeline.video.open import bound_decoder, open_segment
from pipeline.video.packets import MILLISECOND, codec_of, to_ms
from pipeline.video.picture import DecodedPicture, Scaler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import VideoFrame
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

    from pipeline.types import Segment

Span: TypeAlias = tuple[int, int]  # from, to (exclusive), microseconds since the epoch

_INTRA_ONLY = frozenset({"mjpeg"})  # each packet stands for itself: what is not sampled is not decoded
_STRAY_US = 60_000_000  # a frame further from its segment's time belongs to no time at all
_GAP_US, _GAP_FRAMES = 2_000_000, 10  # a longer time between two frames was not observed


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How segments are decoded."""

    fps: Fraction  # sampled frames per second of stream time
    detect_side_px: int  # longest side of the detector's picture
    max_pixels: int  # larger pictures are refused before they are allocated

    @classmethod
    def of(cls, fps: float, detect_side_px: int, max_pixels: int) -> DecodeOptions:
        """Return options with the rate as an exact fraction, so that sampling is integer arithmetic."""
        return cls(fps=Fraction(fps).limit_denominator(1000), detect_side_px=detect_side_px, max_pixels=max_pixels)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOutcome:
    """What came of a segment."""

    frames_decoded: int = 0
    frames_late: int = 0  # at or before the last frame of the state: dropped
    last_us: int | None = None  # capture time of the last frame that was seen
    size_wh: tuple[int, int] | None = None  # of the last decoded frame, upright, pixels
    observed: tuple[Span, ...] = ()  # where the video was really seen; adjoins the next segment's when nothing is missing
    reason: str | None = None  # "not_openable", "picture_too_large", "decode_error" (a part is missing), "bad_time" or "no_frames"
    error: str | None = None  # class of the first exception


class Decoder:
    """Decodes the segments of one camera: a fresh decoder each, one kept scaler. Used by one thread at a time."""

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options
        self._scaler = Scaler(options.detect_side_px)

    def decode(self, segment: Segment, after_us: int | None) -> Decoding:
        """Return the frames of a segment that were captured after `after_us` (None: all)."""
        return Decoding(segment, after_us, self._options, self._scaler)


class Decoding:
    """The sampled frames of one segment, decoded as they are asked for; `outcome` is complete when they are exhausted.

    It never raises: a damaged part is left out up to the next keyframe and told in the outcome.
    """

    def __init__(self, segment: Segment, after_us: int | None, options: DecodeOptions, scaler: Scaler) -> None:
        self._segment = segment
        self._options = options
        self._scaler = scaler
        self._offset_us = segment.captured_us - segment.pts_us
        self._last_us = after_us
        self._bucket = None if after_us is None else self._bucket_of(after_us - self._offset_us)
        self._spans = _Spans(segment)
        self._lost = False  # until the next keyframe
        self._outcome = DecodeOutcome()

    @property
    def outcome(self) -> DecodeOutcome:
        """What came of the segment so far."""
        return replace(self._outcome, observed=self._spans.observed)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the sampled frames in the order of their display."""
        if self._too_large(self._segment.width_px, self._segment.height_px):
            self._fail("picture_too_large")
            return
        try:
            with timed(Stage.DEMUX):
                opened = open_segment(self._segment.payload)
            with opened as container:
                stream = container.streams.video[0]
                bound_decoder(stream, self._options.max_pixels)
                yield from self._frames(_demuxed(container.demux(stream)), stream)
        except Exception as error:  # noqa: BLE001 - damaged bytes raise far more than FFmpegError
            self._spans.end_early()
            self._fail("decode_error" if self._outcome.frames_decoded else "not_openable", error)
        if self._outcome.last_us is None and not self._outcome.frames_late:
            self._fail("no_frames")
        self._spans.end()

    def _frames(self, packets: Iterator[Packet[VideoStream]], stream: VideoStream) -> Iterator[Frame]:
        sparse, time_base = codec_of(stream) in _INTRA_ONLY, stream.time_base or MILLISECOND
        for packet in packets:
            pts_us = None if packet.pts is None else to_ms(packet.pts, time_base) * 1000
            if sparse and pts_us is not None and not self._samples(pts_us):
                self._see(pts_us)
                continue
            for picture in self._decoded(packet, stream.codec_context):
                frame = None if picture.pts is None else self._taken(picture, to_ms(picture.pts, time_base) * 1000)
                if frame is not None:
                    yield frame

    def _decoded(self, packet: Packet[VideoStream], context: VideoCodecContext) -> list[VideoFrame]:
        self._lost = self._lost and not packet.is_keyframe
        if self._lost:
            return []
        try:
            with timed(Stage.DECODE):
                pictures = context.decode(packet)
        except Exception as error:  # noqa: BLE001 - damaged bytes raise far more than FFmpegError
            self._lose(context, error)
            return []
        for index, picture in enumerate(pictures):
            if picture.is_corrupt:
                self._lose(context, None)
                return pictures[:index]
        return pictures

    def _taken(self, picture: VideoFrame, pts_us: int) -> Frame | None:
        samples = self._samples(pts_us)
        full = DecodedPicture(picture, self._scaler.windows)
        self._outcome = replace(self._outcome, frames_decoded=self._outcome.frames_decoded + 1, size_wh=full.size_wh)
        if not self._see(pts_us) or not samples:
            return None
        with timed(Stage.SCALE):
            small = self._scaler.small(picture)
        return Frame(captured_us=pts_us + self._offset_us, pts_us=pts_us, small=small, picture=full)

    def _samples(self, pts_us: int) -> bool:
        """Return whether a frame is the first of a later bucket than the last frame's."""
        return self._bucket is None or self._bucket_of(pts_us) > self._bucket

    def _see(self, pts_us: int) -> bool:
        """Take note of a frame; return False when it is late, or far from its segment."""
        captured_us = pts_us + self._offset_us
        if abs(captured_us - self._segment.captured_us) > self._segment.duration_us + _STRAY_US:
            self._fail("bad_time")
            return False
        if self._last_us is not None and captured_us <= self._last_us:
            self._outcome = replace(self._outcome, frames_late=self._outcome.frames_late + 1)
            return False
        self._last_us, self._bucket = captured_us, self._bucket_of(pts_us)
        self._outcome = replace(self._outcome, last_us=captured_us)
        self._spans.see(captured_us)
        return True

    def _bucket_of(self, pts_us: int) -> int:
        fps = self._options.fps
        return pts_us * fps.numerator // (1_000_000 * fps.denominator)

    def _lose(self, context: VideoCodecContext, error: Exception | None) -> None:
        self._lost = True
        self._spans.end_early()
        self._fail("picture_too_large" if self._too_large(context.width, context.height) else "decode_error", error)
        context.flush_buffers()

    def _too_large(self, width_px: int, height_px: int) -> bool:
        return width_px * height_px > self._options.max_pixels

    def _fail(self, reason: str, error: Exception | None = None) -> None:
        name = type(error).__name__ if error is not None else None
        self._outcome = replace(self._outcome, reason=self._outcome.reason or reason, error=self._outcome.error or name)


def _demuxed(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    while True:
        with timed(Stage.DEMUX):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


class _Spans:
    """Collects when frames were seen as half-open intervals."""

    def __init__(self, segment: Segment) -> None:
        self._end_us = segment.end_us
        self._frame_us = segment.duration_us // segment.frame_count if segment.frame_count else 0
        self._tolerance_us = max(_GAP_US, _GAP_FRAMES * self._frame_us)
        self._from_us: int | None = None
        self._last_us = 0
        self.observed: tuple[Span, ...] = ()

    def see(self, captured_us: int) -> None:
        """Take a frame's capture time; they grow."""
        if self._from_us is not None and captured_us - self._last_us > self._tolerance_us:
            self.end_early()
        self._from_us = captured_us if self._from_us is None else self._from_us
        self._last_us = captured_us

    def end_early(self) -> None:
        """What follows the last frame is not observed."""
        self._close(self._last_us + self._frame_us)

    def end(self) -> None:
        """Close the last interval where the segment ends, unless that is too far from its last frame."""
        near = self._end_us - self._last_us <= self._tolerance_us
        self._close(self._end_us if near else self._last_us + self._frame_us)

    def _close(self, to_us: int) -> None:
        if self._from_us is not None and to_us > self._from_us:
            self.observed = (*self.observed, (self._from_us, to_us))
        self._from_us = None
