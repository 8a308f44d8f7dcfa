"""Reads as much of an H.264 sequence parameter set as says whether pictures may be coded as fields; imports nothing of ours.

ITU-T H.264, 7.3.2.1.1.
"""

from __future__ import annotations

_EMULATION = b"\x00\x00\x03"
_FIXED_BYTES = 4  # unit header, profile, constraints, level
_READ_BYTES = 256  # far more than what is looked for can take
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})  # profiles
_SEPARATE_PLANES = 3
_LONGEST_CODE = 32  # bits


class _Bits:
    """Takes bits and Exp-Golomb codes from the front.

    Raises:
        ValueError: There are no more, or no code is so long.
    """

    def __init__(self, data: bytes) -> None:
        self._text = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
        self._at = 0

    def take(self, count: int) -> int:
        bits = self._text[self._at : self._at + count]
        if len(bits) < count:
            raise ValueError("the parameter set ends early")
        self._at += count
        return int(bits, 2)

    def code(self) -> int:
        one = self._text.find("1", self._at)
        if one < 0 or one - self._at > _LONGEST_CODE:
            raise ValueError("expected an Exp-Golomb code")
        zeros, self._at = one - self._at, one
        return self.take(zeros + 1) - 1


def fields_allowed(unit: bytes) -> bool:
    """Return whether a sequence parameter set (with its unit header) allows fields; True as well where it cannot be read."""
    try:
        return not _frames_only(unit)
    except ValueError:
        return True


def _frames_only(unit: bytes) -> bool:
    bits = _Bits(unit[_FIXED_BYTES:_READ_BYTES].replace(_EMULATION, _EMULATION[:2]))
    bits.code()  # its id
    if unit[1] in _WITH_CHROMA:
        if bits.code() == _SEPARATE_PLANES:
            bits.take(1)
        bits.code(), bits.code(), bits.take(1)  # depths, lossless
        if bits.take(1):
            raise ValueError("scaling matrices are not read")
    bits.code()  # length of frame numbers
    order = bits.code()
    if order == 0:
        bits.code()
    elif order == 1:
        bits.take(1), bits.code(), bits.code()
        for _ in range(min(bits.code(), 255)):
            bits.code()
    bits.code(), bits.take(1), bits.code(), bits.code()  # references, gaps, width, height
    return bool(bits.take(1))


def sequence_sets(avcc: bytes) -> list[bytes]:
    """Return the sequence parameter sets of an avcC record (ISO/IEC 14496-15, 5.3.3.1), each with its unit header."""
    sets, at = [], 6
    for _ in range(avcc[5] & 31):
        end = at + 2 + int.from_bytes(avcc[at : at + 2], "big")
        sets.append(avcc[at + 2 : end])
        at = end
    return sets
