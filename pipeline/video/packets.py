"""Turns a demuxer's packets into the cut rule's units; imports its own package only."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pipeline.video.cut import Unit
from pipeline.video.nal import NalReader

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

MILLISECOND = Fraction(1, 1000)
REMUXED = frozenset({"h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1"})

_SLOWEST, _FASTEST = Fraction(1, 3600), Fraction(1000)  # frames per second that are believed
_USUAL_MS = 40
_FOREIGN = 25  # packets in a row without a picture of the stream's codec: it has changed


class PacketReader:
    """Reads the packets of one stream."""

    def __init__(self, stream: VideoStream) -> None:
        self._time_base = stream.time_base or MILLISECOND
        self._nal = NalReader.of(codec_of(stream), stream.codec_context.extradata)
        self._foreign = 0

    @property
    def codec_changed(self) -> bool:
        """Whether what comes is no longer of the stream's codec (FFmpeg does not notice it in MPEG-TS)."""
        return self._foreign >= _FOREIGN

    def read(self, packet: Packet[VideoStream]) -> Unit | None:
        """Return the packet as a unit, or None where it holds no picture."""
        if not packet.size:
            return None
        data = bytes(packet) if self._nal else b""
        if self._nal and not self._nal.has_picture(data):
            self._foreign += 1
            return None
        self._foreign = 0
        key = packet.is_keyframe and (self._nal is None or self._nal.starts_decoding(data))
        pts_ms = None if packet.pts is None else to_ms(packet.pts, self._time_base)
        return Unit(packet=packet, pts_ms=pts_ms, key=key, size=packet.size)


def codec_of(stream: VideoStream) -> str:
    """Return FFmpeg's name of the codec, whatever decoder this build has for it ("av1", not "libdav1d")."""
    return stream.codec_context.codec.canonical_name


def to_ms(pts: int, time_base: Fraction) -> int:
    """Return a presentation time in milliseconds, rounded half up."""
    return (pts * time_base.numerator * 2000 + time_base.denominator) // (2 * time_base.denominator)


def frame_ms(stream: VideoStream) -> int:
    """Return how long a frame is shown, milliseconds, by what the container says of the rate."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and _SLOWEST <= rate <= _FASTEST:
            return max(1, round(1000 / rate))
    return _USUAL_MS
