"""Records that are damaged in every way that we could think of: on their way, in their headers, in their container, in their video."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from pipeline.record import to_record
from pipeline.types import Record

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from pipeline.types import Segment

    Mutation: TypeAlias = Callable[[Segment, random.Random], Record]

HEADER_BYTES = 400  # EBML, tracks, extradata
CODECS = ("h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1", "", "prores", "h264\0", "x" * 10_000)
HUGE = ("9" * 19, "9" * 20, "9" * 5000, "-1", "1e9", "", " 1", "0x10", "\u0661", str(2**63 - 1), str(-(2**63)))
PIXEL_WIDTH, PIXEL_HEIGHT, SEGMENT, CLUSTER, SIMPLE_BLOCK = b"\xb0", b"\xba", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xa3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A damaged record, and what was done to it."""

    kind: str
    record: Record


def mutants(originals: Sequence[Segment], number: int, dice: random.Random) -> list[Mutant]:
    """Return damaged records of these segments' cameras, each kind as often as another, each in a session of its own."""
    kinds = list(MUTATIONS)
    made = []
    for index in range(number):
        original = replace(originals[index % len(originals)], session=index + 1, sequence=index)
        kind = kinds[index % len(kinds)]
        made.append(Mutant(kind=kind, record=MUTATIONS[kind](original, dice)))
    return made


def mutated(payload: bytes, dice: random.Random) -> bytes:
    """Return a payload with flipped bits, a cut, a burst of noise, a hole or a damaged header."""
    data = bytearray(payload)
    kind = dice.randrange(5)
    if kind == 0:
        for _ in range(dice.choice((1, 4, 32))):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif kind == 1:
        del data[dice.randrange(len(data)) :]
    elif kind == 2:
        at = dice.randrange(len(data))
        data[at : at + dice.randrange(1, 300)] = dice.randbytes(dice.randrange(1, 300))
    elif kind == 3:
        at = dice.randrange(len(data))
        del data[at : at + dice.randrange(1, 300)]
    else:
        for _ in range(dice.choice((1, 3, 10))):
            data[dice.randrange(min(HEADER_BYTES, len(data)))] = dice.randrange(256)
    return bytes(data) or b"\0"


def sealed(headers: Sequence[tuple[str, bytes]], value: bytes) -> Record:
    """Return a record whose checksum is right, whatever its other headers say: who damages on purpose would do so."""
    rest = tuple((name, content) for name, content in headers if name != "crc32")
    text = b"".join(name.encode() + b"=" + content + b"\n" for name, content in rest)
    return Record(headers=(*rest, ("crc32", f"{zlib.crc32(value, zlib.crc32(text)):08x}".encode())), value=value)


def _video(segment: Segment, dice: random.Random) -> Record:
    return to_record(replace(segment, payload=mutated(segment.payload, dice)))


def _flipped_on_the_way(segment: Segment, dice: random.Random) -> Record:
    record = to_record(segment)
    value = bytearray(record.value)
    value[dice.randrange(len(value))] ^= 1 << dice.randrange(8)
    return replace(record, value=bytes(value))


def _cut_on_the_way(segment: Segment, dice: random.Random) -> Record:
    record = to_record(segment)
    return replace(record, value=record.value[: dice.randrange(len(record.value))])


def _header_flipped(segment: Segment, dice: random.Random) -> Record:
    record = to_record(segment)
    at = dice.randrange(len(record.headers))
    name, content = record.headers[at]
    damaged = bytearray(content or b"?")
    damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return replace(record, headers=(*record.headers[:at], (name, bytes(damaged)), *record.headers[at + 1 :]))


def _header_gone_or_twice(segment: Segment, dice: random.Random) -> Record:
    record = to_record(segment)
    at = dice.randrange(len(record.headers) - 1)
    middle = dice.choice(((), (record.headers[at],) * 2, (("stranger", b"\xff\xfe"),)))
    return sealed((*record.headers[:at], *middle, *record.headers[at + 1 :]), record.value)


def _header_claims(segment: Segment, dice: random.Random) -> Record:
    """A number that is none, or is huge, under a checksum that is right."""
    name = dice.choice(("session", "sequence", "captured_us", "pts_us", "duration_us", "frames"))
    return _with(segment, name, dice.choice(HUGE))


def _size_claims(segment: Segment, dice: random.Random) -> Record:
    return _with(segment, "size", dice.choice(("999999x999999", "0x0", "1x999999", "64", "-1x-1", "9" * 400 + "x1")))


def _codec_claims(segment: Segment, dice: random.Random) -> Record:
    return _with(segment, "codec", dice.choice(CODECS))


def _kind_claims(segment: Segment, dice: random.Random) -> Record:
    return _with(segment, "kind", dice.choice(("gap", "end", "gop\n", "GOP", "")))


def _other_version(segment: Segment, dice: random.Random) -> Record:
    return _with(segment, "schema", dice.choice(("2", "0", "-1", "one", "9" * 4000)))


def _no_value(segment: Segment, dice: random.Random) -> Record:
    record = to_record(segment)
    return sealed(record.headers, b"") if dice.random() < 0.5 else replace(record, value=b"")


def _nothing_at_all(_: Segment, dice: random.Random) -> Record:
    return Record(headers=(), value=dice.randbytes(dice.choice((0, 1, 5000))))


def _container_claims(segment: Segment, dice: random.Random) -> Record:
    """An element of the container that says that it is larger than everything, or a picture that is."""
    payload = bytearray(segment.payload)
    element = dice.choice((SEGMENT, CLUSTER, SIMPLE_BLOCK, PIXEL_WIDTH, PIXEL_HEIGHT))
    at = payload.find(element)
    if at >= 0:
        claim = b"\x01" + dice.choice((b"\xff" * 7, b"\x7f" + b"\xff" * 6, b"\x00" * 7, dice.randbytes(7)))
        picture = element in {PIXEL_WIDTH, PIXEL_HEIGHT}
        new = b"\x83" + b"\xff" * 3 if picture else claim
        payload[at + len(element) : at + len(element) + len(new)] = new
    return to_record(replace(segment, payload=bytes(payload)))


def _other_bytes(segment: Segment, dice: random.Random) -> Record:
    """No container at all."""
    noise = dice.choice((b"\0" * 20_000, b"\x1a\x45\xdf\xa3", b"RIFF" + b"\xff" * 400, b"\x1a\x45\xdf\xa3" + dice.randbytes(5000)))
    return to_record(replace(segment, payload=noise))


def _with(segment: Segment, name: str, content: str) -> Record:
    record = to_record(segment)
    return sealed([(key, content.encode() if key == name else value) for key, value in record.headers], record.value)


MUTATIONS: dict[str, Mutation] = {
    "video": _video,
    "video again": _video,
    "flipped on the way": _flipped_on_the_way,
    "cut on the way": _cut_on_the_way,
    "header flipped": _header_flipped,
    "header gone or twice": _header_gone_or_twice,
    "header claims": _header_claims,
    "size claims": _size_claims,
    "codec claims": _codec_claims,
    "kind claims": _kind_claims,
    "other version": _other_version,
    "no value": _no_value,
    "nothing at all": _nothing_at_all,
    "container claims": _container_claims,
    "other bytes": _other_bytes,
}
