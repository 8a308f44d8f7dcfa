"""Writes runs of packets as self-contained Matroska; imports its own package only."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av

from pipeline.video.packets import MILLISECOND, codec_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import OutputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

    from pipeline.video.cut import Run

_OPTIONS = {
    "live": "1",
    "write_crc32": "0",
    "cluster_size_limit": "100000000",
    "cluster_time_limit": "60000",
    "fflags": "+bitexact",  # else a random SegmentUID makes two writes of the same packets differ
    "avoid_negative_ts": "disabled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the stream of a segment is."""

    codec: str  # FFmpeg's name
    width_px: int
    height_px: int
    add_stream: Callable[[OutputContainer], Stream] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapedRun:
    """A run and the stream that its packets are of."""

    run: Run
    shape: Shape


def mux(shaped: ShapedRun) -> bytes:
    """Return a run as Matroska; its packets are used up, and the container they come from must still be open.

    Matroska does not store decoding times, the muxer only checks that they grow: made-up ones cure missing, repeated and
    backward ones.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", options=_OPTIONS) as container:
        run, stream = shaped.run, shaped.shape.add_stream(container)
        first_dts = min(unit.pts_ms or 0 for unit in run.units) - len(run.units)
        for index, unit in enumerate(run.units):
            packet = unit.packet
            packet.stream = stream  # type: ignore[assignment]  # opaque streams have no video type
            packet.time_base = MILLISECOND
            packet.pts = unit.pts_ms
            packet.dts = first_dts + index
            packet.is_keyframe = unit.key
            container.mux_one(packet)
    return buffer.getvalue()


def like(template: VideoStream) -> Shape:
    """Return the shape of a demuxer's stream; "opaque" spares the need for an encoder of its codec."""
    return Shape(
        codec=codec_of(template),
        width_px=template.width,
        height_px=template.height,
        add_stream=lambda container: container.add_stream_from_template(template, opaque=True),
    )


def mjpeg(width_px: int, height_px: int) -> Shape:
    """Return the shape of pictures that we encoded."""
    return Shape(
        codec="mjpeg",
        width_px=width_px,
        height_px=height_px,
        add_stream=lambda container: container.add_mux_stream("mjpeg", width=width_px, height=height_px, time_base=MILLISECOND),
    )
