"""Clips without B-frames as RTP payloads of H.264 (RFC 6184), for the test server; imports PyAV."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from pathlib import Path

_PAYLOAD_BYTES = 1390


def access_units(clip: Path) -> tuple[list[tuple[float, list[bytes]]], str]:
    """Return the frames of a clip without B-frames as (second, NAL units), and its parameter sets for SDP."""
    frames = []
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        to_annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        time_base = stream.time_base or 0
        for packet in container.demux(stream):
            pts = packet.pts or 0  # filtering empties the packet
            for plain in to_annexb.filter(packet) if packet.size else []:
                units = [unit for unit in re.split(b"\0\0\0\1|\0\0\1", bytes(plain)) if unit]
                frames.append((float(pts * time_base), units))
    sets = [unit for unit in frames[0][1] if unit[0] & 31 in (7, 8)]
    return frames, ",".join(base64.b64encode(unit).decode() for unit in sets)


def payloads(units: list[bytes]) -> list[tuple[bytes, bool]]:
    """Return RTP payloads, each with whether it ends its frame."""
    sent: list[bytes] = []
    for unit in units:
        if len(unit) <= _PAYLOAD_BYTES:
            sent.append(unit)
            continue
        parts = [unit[at : at + _PAYLOAD_BYTES] for at in range(1, len(unit), _PAYLOAD_BYTES)]
        for index, part in enumerate(parts):
            edge = (0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0)
            sent.append(bytes([unit[0] & 0xE0 | 28, edge | unit[0] & 31]) + part)
    return [(payload, index == len(sent) - 1) for index, payload in enumerate(sent)]
