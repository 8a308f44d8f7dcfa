from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from pipeline.video.need import Needs
from pipeline.video.packets import codec_of
from tests.clips import X264_B, X265_QUIET, Clip, make_clip

if TYPE_CHECKING:
    from pathlib import Path

SPS, IDR, P, B = (b"\x00\x00\x01" + bytes.fromhex(unit) for unit in ("6742c00ada1898", "65888040", "41", "01"))
"""With start codes. The sequence parameters (96x64) allow no fields."""

FIELDS = SPS[:-1] + b"\x88"


def h264(packets: list[bytes], wanted: set[int], *, closed: bool = True) -> str:
    """Return the packets, which are shown in their order, as D where they must be decoded, else as a dot."""
    needed = Needs("h264", None).needed(packets, range(len(packets)), wanted, closed=closed)
    return "".join("D" if each else "." for each in needed)


@pytest.mark.parametrize(
    ("wanted", "closed", "decoded"),
    [
        ({0}, True, "D......"),
        ({4}, True, "DD..D.."),
        ({2}, True, "DDD...."),
        (set(), True, "......."),
        (set(), False, "DD..D.D"),
        ({3}, False, "DD.DD.D"),
    ],
)
def test_decoded_is_what_is_wanted_and_what_that_refers_to(wanted: set[int], closed: bool, decoded: str) -> None:  # noqa: FBT001 - drawn
    #          0          1  2  3  4  5  6
    assert h264([SPS + IDR, P, B, B, P, B, P], wanted, closed=closed) == decoded


def test_parameters_are_never_left_out() -> None:
    assert h264([SPS + IDR, P, SPS + P, P], {0}) == "DDD."


def test_packets_that_may_be_fields_are_all_decoded() -> None:
    assert h264([FIELDS + IDR, P, B, B], {0}) == "DDDD"
    assert h264([b"\x00\x00\x01\x67" + IDR, P, B, B], {0}) == "DDDD"


def test_a_lower_layer_of_hevc_may_be_referred_to_from_above() -> None:
    key, low, high = (b"\x00\x00\x01" + bytes.fromhex(unit) for unit in ("2601", "0001", "0002"))  # IDR; TRAIL_N of two layers
    needs = Needs("hevc", None)
    assert needs.needed([key, low, high, high], range(4), {2}, closed=True) == [True, True, True, False]
    assert needs.needed([key, low, low], range(3), {2}, closed=True) == [True, False, True]


@pytest.mark.parametrize("codec", ["mpeg4", "a codec of tomorrow"])
def test_of_other_codecs_all_is_decoded(codec: str) -> None:
    assert Needs(codec, None).needed([b"", b""], [0, 1], set(), closed=True) == [True, True]
    assert not Needs(codec, None).restarts(b"")


@pytest.mark.parametrize(
    ("clip", "packets"),
    [
        (Clip(options=X264_B), 60),
        (Clip(options={"x264-params": "keyint=10:interlaced=1:bframes=2", "threads": "1"}), 0),
        (Clip(encoder="libx265", options={"x265-params": X265_QUIET + "keyint=10:open-gop=0"}), 60),
        (Clip(options=X264_B, pix_fmt="yuv444p", size_wh=(98, 66)), 60),
        (Clip(encoder="mpeg4"), 0),
    ],
    ids=["h264", "interlaced", "hevc", "high-444", "mpeg4"],
)
def test_streams_are_understood_by_their_headers(tmp_path: Path, clip: Clip, packets: int) -> None:
    """What nobody wants is left out, unless the stream may hold fields or its packets more than one picture."""
    with av.open(str(make_clip(tmp_path / "clip", clip))) as container:
        stream = container.streams.video[0]
        data = [bytes(packet) for packet in container.demux(stream) if packet.size]
        needs = Needs(codec_of(stream), stream.codec_context.extradata)
    needed = needs.needed(data, range(len(data)), set(), closed=True)
    assert needed.count(False) == packets
