"""Says which packets must be decoded so that the wanted pictures come out exactly; imports its own package only.

A camera shows 25 pictures a second and five are looked at. What the others are decoded for is that later ones refer to them. So
those need not be decoded that no picture refers to (B-pictures, the upper layers of scalable streams), and those behind the last
wanted one before the decoder starts afresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.video.nal import NalReader
from pipeline.video.sps import fields_allowed, sequence_sets

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_ONE_PICTURE_A_PACKET = frozenset({"h264", "hevc", "mjpeg", "vp8", "vp9", "av1"})  # not MPEG-4, which packs two into one
_KEYS_RESTART = frozenset({"mjpeg", "vp8", "vp9"})  # nothing refers over a keyframe


class Needs:
    """Reads the packets of one segment's stream.

    Args:
        codec: FFmpeg's name.
        extradata: The stream's, as in the container.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._nal = NalReader.of(codec, extradata)
        self._restarts = codec in _KEYS_RESTART
        # The second field of a picture may be a packet of its own, which looks like a picture that nobody wants.
        self._known = codec in _ONE_PICTURE_A_PACKET and not (codec == "h264" and self._fields_in(extradata or b""))

    def restarts(self, keyframe: bytes) -> bool:
        """Return whether neither it nor what follows depends on, or is shown before, anything earlier."""
        return self._restarts if self._nal is None else self._nal.restarts(keyframe)

    def needed(self, packets: Sequence[bytes], pts_us: Sequence[int], wanted: Collection[int], *, closed: bool) -> list[bool]:
        """Return for each packet whether it must be decoded.

        Args:
            packets: From a keyframe on, in the order of decoding.
            pts_us: When each is shown.
            wanted: When the wanted pictures are shown.
            closed: Whether no later packet refers to these.
        """
        if self._nal is not None and self._nal.has_fields(packets[0]):
            self._known = False
        if not self._known:
            return [True] * len(packets)
        droppable = self._droppable(packets)
        needed: list[bool] = []
        referred = not closed
        for index in range(len(packets) - 1, -1, -1):
            kept = pts_us[index] in wanted or (index > 0 and self._nal is not None and self._nal.sets_parameters(packets[index]))
            referred = referred or kept
            needed.append(kept or (referred and not droppable[index]))
        return needed[::-1]

    def _droppable(self, packets: Sequence[bytes]) -> list[bool]:
        """Return for each packet whether nothing refers to it: what is unreferenced in its layer may be referred to from the next."""
        nal = self._nal
        if nal is None:
            return [False] * len(packets)
        top = max(nal.layer(packet) for packet in packets)
        return [nal.unreferenced(packet) and nal.layer(packet) == top for packet in packets]

    def _fields_in(self, extradata: bytes) -> bool:
        if self._nal is not None and self._nal.length_bytes:
            return any(fields_allowed(unit) for unit in sequence_sets(extradata))
        return self._nal is not None and self._nal.has_fields(extradata)
