"""Segment to log record and back; imports types and errors only.

A record's headers are pairs of readable text, so that any Kafka tool can show them; its value is the segment's Matroska.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.errors import InvalidRecordError
from pipeline.types import Decode, Record, Segment, SegmentKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA_VERSION = "1"

_CHECKSUM = "crc32"
_DECODE = "decode"  # only where it is not "all": older versions read those records too, and wrote none
_NAMES = (
    "schema",
    "camera",
    "session",
    "sequence",
    "kind",
    "captured_us",
    "pts_us",
    "duration_us",
    "codec",
    "size",
    "frames",
    "reconnected",
    _CHECKSUM,
)
_NAMES_WITH_DECODE = (*_NAMES[:-1], _DECODE, _CHECKSUM)
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")


def to_record(segment: Segment) -> Record:
    """Return the log record of a segment."""
    fields = {
        "schema": SCHEMA_VERSION,
        "camera": str(segment.camera_id),
        "session": str(segment.session),
        "sequence": str(segment.sequence),
        "kind": segment.kind.value,
        "captured_us": str(segment.captured_us),
        "pts_us": str(segment.pts_us),
        "duration_us": str(segment.duration_us),
        "codec": segment.codec,
        "size": f"{segment.width_px}x{segment.height_px}",
        "frames": str(segment.frame_count),
        "reconnected": str(int(segment.reconnected)),
    }
    if segment.decode is not Decode.ALL:
        fields[_DECODE] = segment.decode.value
    headers = tuple((name, value.encode("ascii")) for name, value in fields.items())
    checksum = (_CHECKSUM, f"{_crc32(headers, segment.payload):08x}".encode("ascii"))
    return Record(headers=(*headers, checksum), value=segment.payload)


def to_segment(record: Record) -> Segment:
    """Return the segment that a record carries.

    Raises:
        InvalidRecordError: "unknown_version", "bad_header" or "checksum".
    """
    headers = dict(record.headers)
    version = headers.get("schema", b"")
    if version.isdigit() and version != SCHEMA_VERSION.encode():
        raise InvalidRecordError(
            "unknown_version", f"record of schema {version.decode()}: this Headcount reads {SCHEMA_VERSION}; update it"
        )
    if tuple(name for name, _ in record.headers) not in (_NAMES, _NAMES_WITH_DECODE):
        raise InvalidRecordError("bad_header", "the record's headers are not those of a segment")
    if headers[_CHECKSUM] != f"{_crc32(record.headers[:-1], record.value):08x}".encode("ascii"):
        raise InvalidRecordError("checksum", "the record was damaged on its way")
    try:
        return _parse(headers, record.value)
    except ValueError:
        raise InvalidRecordError("bad_header", "a header of the record cannot be read") from None


def _crc32(headers: Iterable[tuple[str, bytes]], value: bytes) -> int:
    text = b"".join(name.encode() + b"=" + content + b"\n" for name, content in headers)
    return zlib.crc32(value, zlib.crc32(text))


def _parse(headers: Mapping[str, bytes], value: bytes) -> Segment:
    text = {name: content.decode("ascii") for name, content in headers.items()}
    size = _SIZE.fullmatch(text["size"])
    if text["schema"] != SCHEMA_VERSION or size is None or text["reconnected"] not in ("0", "1"):
        raise ValueError("a header is out of its range")
    return Segment(
        camera_id=UUID(text["camera"]),
        session=_integer(text["session"]),
        sequence=_integer(text["sequence"]),
        kind=SegmentKind(text["kind"]),
        captured_us=_integer(text["captured_us"]),
        pts_us=_integer(text["pts_us"]),
        duration_us=_integer(text["duration_us"]),
        codec=text["codec"],
        width_px=int(size[1]),
        height_px=int(size[2]),
        frame_count=_integer(text["frames"]),
        reconnected=text["reconnected"] == "1",
        decode=Decode(text.get(_DECODE, Decode.ALL)),
        payload=value,
    )


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"expected an integer, got {text!r}")
    return int(text)
