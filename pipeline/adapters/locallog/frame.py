"""How a record lies in a data file; imports types only.

A frame is a fixed header and a body, little-endian:

    magic 4 | offset u64 | appended_ms u64 | headers_bytes u32 | value_bytes u32 | body crc32 | header crc32 | headers | value

`headers` is a run of (name length u32, value length u32, name, value). The header's checksum begins from a seed that is made
of the log's uid, so that a payload which contains a frame (of another log, or made up) is not taken for one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from pipeline.types import Record

MAGIC = b"HCL1"
_FIELDS = struct.Struct("<4sQQIII")
_CHECKSUM = struct.Struct("<I")
_PAIR = struct.Struct("<II")
HEADER_BYTES = _FIELDS.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """The fixed part of a frame."""

    offset: int
    appended_ms: int  # UTC, milliseconds since the epoch
    headers_bytes: int
    value_bytes: int
    body_crc: int

    @property
    def body_bytes(self) -> int:
        """Bytes of the record's headers and value."""
        return self.headers_bytes + self.value_bytes


def encode(record: Record, *, offset: int, appended_ms: int, seed: int) -> bytes:
    """Return the record's frame."""
    headers = b"".join(
        _PAIR.pack(len(encoded), len(value)) + encoded + value
        for encoded, value in ((name.encode(), value) for name, value in record.headers)
    )
    body_crc = zlib.crc32(record.value, zlib.crc32(headers))
    fields = _FIELDS.pack(MAGIC, offset, appended_ms, len(headers), len(record.value), body_crc)
    return b"".join((fields, _CHECKSUM.pack(zlib.crc32(fields, seed)), headers, record.value))


def parse_header(data: bytes, seed: int) -> FrameHeader | None:
    """Return the header that `data` begins with, or None where there is no undamaged one."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    fields = data[: _FIELDS.size]
    if _CHECKSUM.unpack_from(data, _FIELDS.size) != (zlib.crc32(fields, seed),):
        return None
    _, offset, appended_ms, headers_bytes, value_bytes, body_crc = _FIELDS.unpack(fields)
    return FrameHeader(offset=offset, appended_ms=appended_ms, headers_bytes=headers_bytes, value_bytes=value_bytes, body_crc=body_crc)


def is_intact(header: FrameHeader, body: bytes) -> bool:
    """Tell whether the body is the one that was written."""
    return zlib.crc32(body) == header.body_crc


def decode_body(header: FrameHeader, body: bytes) -> Record:
    """Return the record of a body; without headers where damage keeps them from being split."""
    try:
        headers = _split(body[: header.headers_bytes])
    except (struct.error, UnicodeDecodeError):
        headers = ()
    return Record(headers=headers, value=body[header.headers_bytes :])


def _split(block: bytes) -> tuple[tuple[str, bytes], ...]:
    pairs: list[tuple[str, bytes]] = []
    position = 0
    while position < len(block):
        name_bytes, value_bytes = _PAIR.unpack_from(block, position)
        middle = position + _PAIR.size + name_bytes
        name, value = struct.unpack_from(f"{name_bytes}s{value_bytes}s", block, position + _PAIR.size)
        pairs.append((name.decode(), value))
        position = middle + value_bytes
    return tuple(pairs)
