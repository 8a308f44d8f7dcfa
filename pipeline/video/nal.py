"""Reads the NAL types of H.264 and HEVC packets; imports its own package only.

The demuxer's key flag alone does not say that a fresh decoder can start: intra-refresh streams carry it and decode to nothing.
Types: ITU-T H.264 table 7-1, ITU-T H.265 table 7-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.video.sps import fields_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

_H264_SLICES = frozenset({1, 5})
_H264_PICTURE = frozenset(range(1, 6))  # with data partitions
_H264_IDR = 5
_H264_SEI = 6
_SEI_RECOVERY_POINT = 6
_HEVC_SLICES = frozenset((*range(10), *range(16, 22)))
_HEVC_ENTRY = frozenset(range(16, 22))  # BLA, IDR, CRA
_H264_PARAMETERS = frozenset({7, 8, 13, 15})
_H264_SEQUENCE = 7
_HEVC_IDR = frozenset({19, 20})
_HEVC_PARAMETERS = frozenset({32, 33, 34})
_HEVC_UNREFERENCED = frozenset({0, 2, 4, 6, 8})  # by pictures of its own temporal layer
_START_CODE = b"\x00\x00\x01"
_CONFIGURATION_BYTES = {"h264": (4, 7), "hevc": (21, 23)}  # where the length size stands, and how short a record may be


@dataclass(frozen=True, slots=True, kw_only=True)
class NalReader:
    """Reads packets of one stream.

    `length_bytes` is the size of each unit's length prefix (mp4, Matroska), 0 with start codes (RTSP, MPEG-TS).
    """

    codec: str
    length_bytes: int

    @classmethod
    def of(cls, codec: str, extradata: bytes | None) -> NalReader | None:
        """Return the reader of a stream, or None where its codec has no NAL units."""
        if codec not in _CONFIGURATION_BYTES:
            return None
        place, shortest = _CONFIGURATION_BYTES[codec]
        prefixed = extradata is not None and len(extradata) >= shortest and extradata[0] == 1
        return cls(codec=codec, length_bytes=(extradata[place] & 3) + 1 if prefixed and extradata else 0)

    def starts_decoding(self, packet: bytes) -> bool:
        """Return whether a fresh decoder shows correct pictures from this packet on."""
        if self.codec == "hevc":
            return any(_hevc_type(packet, at) in _HEVC_ENTRY for at in self._units(packet))
        for at in self._units(packet):
            kind = packet[at] & 31
            if kind == _H264_IDR or (kind == _H264_SEI and _recovers_at_once(packet[at + 1 : self._end(packet, at)])):
                return True
        return False

    def has_picture(self, packet: bytes) -> bool:
        """Return whether the packet holds a slice of this codec; a stream whose codec changed holds none."""
        if self.codec == "hevc":
            return any(_hevc_type(packet, at) in _HEVC_SLICES for at in self._units(packet))
        return any(packet[at] & 31 in _H264_SLICES for at in self._units(packet))

    def restarts(self, packet: bytes) -> bool:
        """Return whether nothing from this packet on refers to what came before it, or is shown earlier (IDR)."""
        if self.codec == "hevc":
            return any(_hevc_type(packet, at) in _HEVC_IDR for at in self._units(packet))
        return any(packet[at] & 31 == _H264_IDR for at in self._units(packet))

    def sets_parameters(self, packet: bytes) -> bool:
        """Return whether the packet holds parameter sets, which later packets may need."""
        if self.codec == "hevc":
            return any(_hevc_type(packet, at) in _HEVC_PARAMETERS for at in self._units(packet))
        return any(packet[at] & 31 in _H264_PARAMETERS for at in self._units(packet))

    def unreferenced(self, packet: bytes) -> bool:
        """Return whether no picture refers to the packet's: in H.264 none at all, in HEVC none of its own temporal layer."""
        if self.codec == "hevc":
            slices = [_hevc_type(packet, at) in _HEVC_UNREFERENCED for at in self._units(packet) if _hevc_type(packet, at) in _HEVC_SLICES]
        else:
            slices = [not packet[at] >> 5 & 3 for at in self._units(packet) if packet[at] & 31 in _H264_PICTURE]
        return bool(slices) and all(slices)

    def layer(self, packet: bytes) -> int:
        """Return the highest temporal layer of the packet's units (HEVC), 0 and up."""
        if self.codec != "hevc":
            return 0
        return max(((packet[at + 1] & 7) - 1 for at in self._units(packet) if at + 1 < len(packet)), default=0)

    def has_fields(self, packet: bytes) -> bool:
        """Return whether a packet's sequence parameters allow pictures of two packets (H.264 fields), or cannot be read."""
        return any(fields_allowed(packet[at : self._end(packet, at)]) for at in self._units(packet) if packet[at] & 31 == _H264_SEQUENCE)

    def _units(self, packet: bytes) -> Iterator[int]:
        return _prefixed(packet, self.length_bytes) if self.length_bytes else _start_coded(packet)

    def _end(self, packet: bytes, at: int) -> int:
        if self.length_bytes:
            return at + int.from_bytes(packet[at - self.length_bytes : at], "big")
        following = packet.find(_START_CODE, at)
        return following if following >= 0 else len(packet)


def _hevc_type(packet: bytes, at: int) -> int:
    return (packet[at] >> 1) & 63


def _prefixed(packet: bytes, length_bytes: int) -> Iterator[int]:
    at = 0
    while at + length_bytes < len(packet):
        begin = at + length_bytes
        at = begin + int.from_bytes(packet[at:begin], "big")
        if at > begin:
            yield begin


def _start_coded(packet: bytes) -> Iterator[int]:
    at = packet.find(_START_CODE)
    while 0 <= at < len(packet) - len(_START_CODE):
        yield at + len(_START_CODE)
        at = packet.find(_START_CODE, at + len(_START_CODE))


def _recovers_at_once(sei: bytes) -> bool:
    """Return whether an SEI unit holds a recovery point with recovery_frame_cnt 0 (its Exp-Golomb code is a single 1 bit)."""
    at = 0
    while at + 2 < len(sei):
        kind, at = _ff_coded(sei, at)
        size, at = _ff_coded(sei, at)
        if kind == _SEI_RECOVERY_POINT:
            return at < len(sei) and bool(sei[at] & 0x80)
        at += size
    return False


def _ff_coded(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(data):
        value += data[at]
        at += 1
        if data[at - 1] != 0xFF:  # noqa: PLR2004 - the standard's own continuation byte
            break
    return value, at
