"""Decodes one segment's packets; what depends on a damaged one is left out. Imports metrics and its own package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.metrics import Stage, timed
from pipeline.video.need import Needs
from pipeline.video.open import bound_decoder
from pipeline.video.packets import MILLISECOND, codec_of, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from av import VideoFrame
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pipeline.video.groups import Group


class PacketDecoder:
    """The decoder of one segment; `damaged` is told each time something cannot be decoded, with the exception where there was one.

    Pictures that are larger than `max_pixels` are damage too, and are refused before they are allocated.
    """

    def __init__(self, stream: VideoStream, max_pixels: int, damaged: Callable[[str, Exception | None], None]) -> None:
        bound_decoder(stream, max_pixels)
        self._context = stream.codec_context
        self._time_base = stream.time_base or MILLISECOND
        self._needs = Needs(codec_of(stream), self._context.extradata)
        self._max_pixels = max_pixels
        self._damaged = damaged
        self.lost = False  # until the next keyframe
        self.clean = True  # nothing is inside: the next packet must be a keyframe

    def pts_us(self, item: Packet[VideoStream] | VideoFrame) -> int | None:
        """Return when a packet or a picture is shown, microseconds; None where that is not known."""
        return None if item.pts is None else to_ms(item.pts, self._time_base) * 1000

    def restarts(self, keyframe: Packet[VideoStream]) -> bool:
        """Return whether what comes from a keyframe on depends on nothing earlier."""
        return self._needs.restarts(bytes(keyframe))

    def needed(self, group: Group, wanted: Collection[int]) -> list[bool]:
        """Return for each packet of a group whether it must be decoded for the pictures that are shown at the `wanted` times."""
        if not group.pts_us:
            return [True] * len(group.packets)
        return self._needs.needed([bytes(packet) for packet in group.packets], group.pts_us, wanted, closed=group.closed)

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Return the pictures that a packet brings out, in the order of their display; None brings out the rest."""
        self.lost = self.lost and not (packet is not None and packet.is_keyframe)
        if self.lost:
            return []
        self.clean = False
        try:
            with timed(Stage.DECODE):
                pictures = self._context.decode(packet)
        except Exception as error:  # noqa: BLE001 - damaged bytes raise far more than FFmpegError
            self._lose(error)
            return []
        for index, picture in enumerate(pictures):
            if picture.is_corrupt:
                self._lose(None)
                return pictures[:index]
        return pictures

    def rest(self) -> list[VideoFrame]:
        """Return the pictures that are still inside, and make ready for another keyframe."""
        if self.clean:
            return []
        pictures = self.decode(None)
        self.reset()
        return pictures

    def alone(self, keyframe: Packet[VideoStream]) -> VideoFrame | None:
        """Return a keyframe's picture, and make ready for another keyframe, or the same: with B-frames it has to be drained."""
        pictures = self.decode(keyframe) or self.rest()
        self.reset()
        return pictures[0] if pictures else None

    def reset(self) -> None:
        """Forget what is inside."""
        self._context.flush_buffers()
        self.clean = True

    def _lose(self, error: Exception | None) -> None:
        self.lost = True
        too_large = self._context.width * self._context.height > self._max_pixels
        self._damaged("picture_too_large" if too_large else "decode_error", error)
        self.reset()
