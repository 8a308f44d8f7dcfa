"""Decodes segments into sampled frames; pure: what comes out depends on the segment, the state and the gate only.

Imports types, metrics, the video package, PyAV.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from pipeline.metrics import Stage, timed
from pipeline.types import Frame
from pipeline.video.decoder import PacketDecoder
from pipeline.video.groups import groups
from pipeline.video.open import open_segment
from pipeline.video.picture import DecodedPicture, Scaler
from pipeline.video.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from av import VideoFrame
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pipeline.types import Segment, UInt8
    from pipeline.video.groups import Group
    from pipeline.video.timeline import Span


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

    frames_decoded: int = 0  # each frame once
    frames_late: int = 0  # at or before the last frame of the state: dropped
    skipped_us: tuple[int, ...] = ()  # capture times of the frames that were to be sampled and that the gate left out
    last_us: int | None = None  # capture time of the last frame that was seen or left out
    observed: tuple[Span, ...] = ()  # where the video was really seen; adjoins the next segment's when nothing is missing
    reason: str | None = None  # "not_openable", "picture_too_large", "decode_error" (a part is missing), "bad_time" or "no_frames"
    error: str | None = None  # class of the first exception


class Gate(Protocol):
    """Says what of one segment need not be decoded or searched; asked in the order of the video, between the frames that are taken."""

    def judges(self, group: Group, following: Group | None) -> bool:
        """Return whether looks at its keyframe, and at that of the group that follows in the segment, may stand for a group."""
        ...

    def opens(self, key: Frame) -> bool:
        """Return whether a group that is judged by a keyframe must be decoded; what it raises goes to the caller."""
        ...

    def left_out(self, group: Group) -> None:
        """Take note that a group was not decoded, but for its keyframe."""
        ...

    def compares(self, group: Group, following: Group | None) -> bool:
        """Return whether `moves` is to be asked about the sampled frames of a group that is decoded."""
        ...

    def moves(self, gray: UInt8) -> bool:
        """Return whether a frame must be searched, by its (90, 160) gray picture."""
        ...


class Decoder:
    """Decodes the segments of one camera: a fresh decoder each, kept scalers. Used by one thread at a time."""

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options
        self._scaler = Scaler(options.detect_side_px)

    def decode(self, segment: Segment, after_us: int | None, gate: Gate | None = None) -> Decoding:
        """Return the frames of a segment that were captured after `after_us` (None: all), but for those that the gate leaves out."""
        return Decoding(segment, after_us, self._options, self._scaler, gate)


class Decoders:
    """Lends the decoders of the cameras that were seen last, each to one at a time: two threads on its tables corrupt memory.

    The records of one camera can be looked at by two threads at once: a sender may put them into two partitions.

    Args:
        options: Of each decoder.
        kept: So many are kept while nobody has them.
    """

    def __init__(self, options: DecodeOptions, kept: int) -> None:
        self._options = options
        self._kept = kept
        self._idle: dict[UUID, Decoder] = {}  # the one that came back last is the last
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, camera_id: UUID) -> Iterator[Decoder]:
        """Lend a camera's decoder, or a new one where it has none or somebody else has it."""
        with self._lock:
            decoder = self._idle.pop(camera_id, None)
        decoder = decoder or Decoder(self._options)
        try:
            yield decoder
        finally:
            with self._lock:
                self._idle.pop(camera_id, None)
                self._idle[camera_id] = decoder
                if len(self._idle) > self._kept:
                    self._idle.pop(next(iter(self._idle)))


class Decoding:
    """The sampled frames of one segment, decoded as they are asked for; `outcome` is complete when they are exhausted.

    No segment makes it raise: a damaged part is left out up to the next keyframe and told in the outcome.
    """

    def __init__(self, segment: Segment, after_us: int | None, options: DecodeOptions, scaler: Scaler, gate: Gate | None) -> None:
        self._segment = segment
        self._timeline = Timeline(segment, after_us, options.fps)
        self._plan = Timeline(segment, after_us, options.fps)  # ahead of it: of the packets, not of the pictures that came out
        self._shown: tuple[int, ...] = ()  # when the frames of the group in hand are shown, if nothing is damaged
        self._passed: list[int] = []  # when those are shown that were not decoded and come after the last picture
        self._options = options
        self._scaler = scaler
        self._gate = gate
        self._asking = False  # the gate looks at a keyframe
        self._keys: dict[int, Frame] = {}  # those that it looked at, by presentation time
        self._comparing = False  # it is asked about each sampled frame
        self._outcome = DecodeOutcome()

    @property
    def outcome(self) -> DecodeOutcome:
        """What came of the segment so far."""
        seen = self._timeline
        reason = "bad_time" if seen.stray else self._outcome.reason
        return replace(self._outcome, frames_late=seen.late, last_us=seen.last_us, observed=seen.spans.observed, reason=reason)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the sampled frames in the order of their display; a keyframe that stands for its group is in the place of the first."""
        if self._segment.width_px * self._segment.height_px > self._options.max_pixels:
            self._fail("picture_too_large")
            return
        try:
            with timed(Stage.DEMUX):
                opened = open_segment(self._segment.payload)
            with opened as container:
                stream = container.streams.video[0]
                yield from self._frames(_demuxed(container.demux(stream)), stream)
        except Exception as error:  # damaged bytes raise far more than FFmpegError
            if self._asking:
                raise
            self._pass(None)
            self._timeline.spans.end_early()
            self._fail("decode_error" if self._outcome.frames_decoded else "not_openable", error)
        if self._timeline.last_us is None and not self._timeline.late:
            self._fail("no_frames")
        self._timeline.spans.end()

    def _frames(self, packets: Iterator[Packet[VideoStream]], stream: VideoStream) -> Iterator[Frame]:
        decoder = PacketDecoder(stream, self._options.max_pixels, self._damaged)
        end_us = self._segment.pts_us + self._segment.duration_us
        for group, following in _with_following(groups(packets, decoder.pts_us, decoder.restarts, end_us)):
            gate, pair = self._gate, (group, following)
            if gate is not None and self._judges(pair, gate, decoder):
                yield from self._of_rest(decoder)  # the group before may end with somebody
            if gate is not None and self._judges(pair, gate, decoder):
                yield from self._of_judged(pair, gate, decoder)
            else:
                self._comparing = gate is not None and bool(group.pts_us) and gate.compares(*pair)
                yield from self._of_packets(group.packets, self._needed(group, decoder), decoder)
        yield from self._of_rest(decoder)

    def _judges(self, pair: tuple[Group, Group | None], gate: Gate, decoder: PacketDecoder) -> bool:
        """Say whether a group is judged by keyframes; not where its leading pictures can be decoded after the group before."""
        group, following = pair
        if not group.pts_us or not self._timeline.is_new(group.pts_us[0]) or (group.leads and not decoder.clean):
            return False
        return gate.judges(group, following)

    def _of_judged(self, pair: tuple[Group, Group | None], gate: Gate, decoder: PacketDecoder) -> Iterator[Frame]:
        """Yield the frames of a group, or its keyframe alone where neither it nor the following one shows anything."""
        group, following = pair
        self._comparing = False
        needed = self._needed(group, decoder)
        if not self._timeline.samples(group.shown_us[-1]):  # nothing of it would be searched
            self._leave_out(group)
            return
        between = following is not None and following.pts_us and len(group.packets) > 1
        if self._opens(group, gate, decoder) or (following is not None and between and self._opens(following, gate, decoder)):
            yield from self._of_packets(group.packets, needed, decoder)
            return
        self._count()
        gate.left_out(group)
        if self._leave_out(group):
            yield self._keys[group.pts_us[0]]

    def _opens(self, group: Group, gate: Gate, decoder: PacketDecoder) -> bool:
        """Show the gate a group's keyframe, decoded alone; one that cannot be is for the usual way to tell of."""
        if group.pts_us[0] not in self._keys:
            picture = decoder.alone(group.packets[0])
            key = None if picture is None else self._frame(picture, decoder)
            if key is None or key.pts_us != group.pts_us[0]:
                return True
            self._keys = {**dict([*self._keys.items()][-1:]), key.pts_us: key}
        self._asking = True
        opens = gate.opens(self._keys[group.pts_us[0]])
        self._asking = False
        return opens

    def _leave_out(self, group: Group) -> bool:
        """Take a group's frames as if they were seen; return whether one was to be sampled: its keyframe stands for the first."""
        sampled = [pts_us for pts_us in group.shown_us if self._timeline.take_sampled(pts_us)]
        self._skip(sampled[1:])
        return bool(sampled)

    def _needed(self, group: Group, decoder: PacketDecoder) -> list[bool]:
        """Return for each packet of a group whether the sampled frames, of this group and later ones, need it."""
        self._shown = group.shown_us if group.pts_us and decoder.clean else tuple(sorted(set(group.pts_us)))
        return decoder.needed(group, {pts_us for pts_us in self._shown if self._plan.take_sampled(pts_us)})

    def _of_packets(self, packets: Sequence[Packet[VideoStream]], needed: Sequence[bool], decoder: PacketDecoder) -> Iterator[Frame]:
        for packet, is_needed in zip(packets, needed, strict=True):
            pts_us = decoder.pts_us(packet)
            if is_needed or pts_us is None:
                yield from self._of_pictures(decoder.decode(packet), decoder)
            elif not decoder.lost and pts_us in self._shown:
                self._passed.append(pts_us)

    def _of_rest(self, decoder: PacketDecoder) -> Iterator[Frame]:
        yield from self._of_pictures(decoder.rest(), decoder)
        self._pass(None)

    def _pass(self, before_us: int | None) -> None:
        """Take note of the frames that were not decoded, in their place among those that were."""
        for pts_us in sorted(self._passed):
            if before_us is None or pts_us < before_us:
                self._timeline.take(pts_us)
        self._passed = [pts_us for pts_us in self._passed if before_us is not None and pts_us >= before_us]

    def _of_pictures(self, pictures: Iterable[VideoFrame], decoder: PacketDecoder) -> Iterator[Frame]:
        for picture in pictures:
            self._count()
            pts_us = decoder.pts_us(picture)
            if pts_us is None:
                continue
            self._pass(pts_us)
            if not self._timeline.take_sampled(pts_us):
                continue
            if self._moves(picture):
                frame = self._frame(picture, decoder)
                if frame is not None:
                    yield frame
            else:
                self._skip([pts_us])

    def _moves(self, picture: VideoFrame) -> bool:
        if self._gate is None or not self._comparing:
            return True
        with timed(Stage.SCALE):
            gray = self._scaler.gray(picture)
        return self._gate.moves(gray)

    def _frame(self, picture: VideoFrame, decoder: PacketDecoder) -> Frame | None:
        pts_us = decoder.pts_us(picture)
        if pts_us is None:
            return None
        if pts_us in self._keys:  # the gate has looked at it
            return self._keys[pts_us]
        with timed(Stage.SCALE):
            small = self._scaler.small(picture)
        full = DecodedPicture(picture, self._scaler.windows)
        return Frame(captured_us=self._timeline.captured_us(pts_us), pts_us=pts_us, small=small, picture=full)

    def _count(self) -> None:
        self._outcome = replace(self._outcome, frames_decoded=self._outcome.frames_decoded + 1)

    def _skip(self, pts_us: Iterable[int]) -> None:
        skipped = map(self._timeline.captured_us, pts_us)
        self._outcome = replace(self._outcome, skipped_us=(*self._outcome.skipped_us, *skipped))

    def _damaged(self, reason: str, error: Exception | None) -> None:
        self._pass(None)
        self._timeline.spans.end_early()
        self._fail(reason, error)

    def _fail(self, reason: str, error: Exception | None = None) -> None:
        name = type(error).__name__ if error is not None else None
        self._outcome = replace(self._outcome, reason=self._outcome.reason or reason, error=self._outcome.error or name)


def _with_following(each: Iterator[Group]) -> Iterator[tuple[Group, Group | None]]:
    group = next(each, None)
    while group is not None:
        following = next(each, None)
        yield group, following
        group = following


def _demuxed(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    while True:
        with timed(Stage.DEMUX):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet
