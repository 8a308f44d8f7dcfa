"""Pictures are decoded within limits, upright, and known again by their fingerprints."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.training.albums import encoded, mottled, picture
from training.left_out import UnusableError
from training.pictures import decode, fingerprint

if TYPE_CHECKING:
    from pipeline.types import UInt8

SUFFIXES = (".bmp", ".jpg", ".png", ".webp")


def png_that_claims(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that says it is large."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_a_picture_is_what_was_encoded(suffix: str) -> None:
    np.testing.assert_array_equal(decode(encoded(picture(), suffix)), picture())


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_lossy_picture_is_nearly_that(suffix: str) -> None:
    assert np.abs(decode(encoded(picture(), suffix)).astype(int) - picture()).mean() < 5


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_any_way_of_colour_becomes_rgb(mode: str) -> None:
    file = BytesIO()
    Image.fromarray(picture()).convert(mode).save(file, "JPEG" if mode == "CMYK" else "PNG")
    assert decode(file.getvalue()).shape == (176, 176, 3)


def test_sixteen_bits_of_gray_become_eight_and_not_white() -> None:
    gray = cv2.cvtColor(picture(), cv2.COLOR_RGB2GRAY)
    fine = gray.astype(np.uint16) * 256 + 77
    np.testing.assert_array_equal(decode(bytes(cv2.imencode(".png", fine)[1])), np.stack([gray] * 3, axis=2))


def test_a_photo_is_turned_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a camera held upright
    file = BytesIO()
    Image.fromarray(picture()[:100]).save(file, "PNG", exif=turned)
    np.testing.assert_array_equal(decode(file.getvalue()), np.rot90(picture()[:100], -1))


@pytest.mark.parametrize("size_wh", [(8000, 8000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_too_many_pixels_is_not_decoded(size_wh: tuple[int, int]) -> None:
    with pytest.raises(UnusableError, match="too many pixels"):
        decode(png_that_claims(*size_wh))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0", b"\xff\xd8\xff\xe0", png_that_claims(0, 9)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableError, match="not a picture"):
        decode(content)


def refusal(content: bytes) -> str:
    """Return why a picture is refused, "" where it is decoded."""
    try:
        decode(content)
    except UnusableError as error:
        return error.reason
    return ""


@given(place=st.integers(0, 10_000), bits=st.integers(0, 255), kept=st.floats(0, 1), suffix=st.sampled_from(SUFFIXES))
def test_a_harmed_picture_is_decoded_or_refused(place: int, bits: int, kept: float, suffix: str) -> None:
    content = bytearray(encoded(picture(0, 32, (4, 4, 28, 28)), suffix))
    content[place % len(content)] ^= bits
    reasons = {"", "not a picture", "damaged picture", "too many pixels", "too small"}
    assert {refusal(bytes(content)), refusal(bytes(content[: int(kept * len(content))]))} <= reasons


def bits_apart(one: UInt8, other: UInt8) -> int:
    return int(np.bitwise_count(fingerprint(one) ^ fingerprint(other)).sum())


def test_a_copy_has_nearly_the_same_fingerprint_and_another_picture_has_not() -> None:
    first, second = (mottled((176, 176), (0, 256), np.random.default_rng(seed)) for seed in (0, 1))
    smaller = np.asarray(cv2.resize(first, (120, 120), interpolation=cv2.INTER_AREA), np.uint8)
    assert fingerprint(first).shape == (4,)
    assert bits_apart(first, first) == 0
    assert bits_apart(first, smaller) < 12
    assert bits_apart(first, decode(encoded(first, ".jpg"))) < 12
    assert bits_apart(first, first[:, ::-1]) > 80
    assert bits_apart(first, second) > 80
