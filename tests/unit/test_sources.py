"""What a user may type as a source, good and bad."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from pipeline.adapters.camera import expand, open_source, read_picture
from pipeline.errors import SourceError
from tests.clips import CODECS, X264_B, Clip, make_clip, picture, write_pictures
from tests.shared import shared_path
from tests.sources import options, read, videos

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings


def refusal(source: Path | str, settings: Settings | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(source, options(settings))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return caught.value


def huge_png(side: int) -> bytes:
    """A PNG that says it is side x side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("text", ["no/such/file.mp4", "nothing", "x" * 5000, "a\0b"])
def test_a_missing_path(text: str) -> None:
    assert refusal(text).kind == "not_found"


@pytest.mark.parametrize("text", ["ftp://host/video.mp4", "file:///etc/passwd", "concat://a|b", "tcp://host:1"])
def test_an_unknown_scheme_names_those_that_are_known(text: str) -> None:
    error = refusal(text)
    assert error.kind == "unknown_scheme"
    assert "rtsp" in str(error)
    with pytest.raises(SourceError):
        expand(text)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("empty.mp4", b"", "not_a_video"),
        ("notes.txt", b"These are notes, not a video.\n" * 50, "not_a_video"),
        ("noise.mp4", np.random.default_rng(1).bytes(20_000), "not_a_video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n", "not_a_video"),
        ("zeros.mkv", bytes(5000), "not_a_video"),
    ],
)
def test_what_is_not_a_video(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal(path)
    assert error.kind == kind
    assert name in str(error)


def test_an_mp4_whose_index_is_cut_off(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip", CODECS["h264"])
    path.write_bytes(path.read_bytes()[:-500])
    error = refusal(path)
    assert error.kind == "not_a_video"
    assert "truncated" in str(error)


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_of_a_truncated_file_what_can_be_read_is_read(tmp_path: Path, suffix: str) -> None:
    said: list[str] = []
    path = make_clip(tmp_path / "clip", Clip(options=X264_B, suffix=suffix, frames=100, size_wh=(320, 240)))
    if suffix == ".mp4":
        path = faststart(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    records = read(path, options(notice=said.append))
    assert 30 < sum(segment.frame_count for segment in videos(records)) < 80
    assert records[-1].kind == "end"
    if suffix != ".ts":  # a transport stream does not promise a length
        assert said


def faststart(path: Path) -> Path:
    """Rewrite an MP4 with its index in front."""
    fast = path.with_name("fast.mp4")
    with av.open(str(path)) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return fast


def test_a_codec_that_changes_half_way_ends_the_file_with_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    first = make_clip(tmp_path / "first", replace(CODECS["h264"], suffix=".ts"))
    second = make_clip(tmp_path / "second", replace(CODECS["hevc"], suffix=".ts"))
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    records = read(path, options(notice=said.append))
    assert sum(segment.frame_count for segment in videos(records)) == 59, "the parser spoils the last frame before the change"
    assert records[-1].kind == "end"
    assert any("codec" in line for line in said)


def test_a_stream_whose_times_begin_again_goes_on(tmp_path: Path) -> None:
    one = make_clip(tmp_path / "one", CODECS["h264-ts"])
    path = tmp_path / "twice.ts"
    path.write_bytes(one.read_bytes() * 2)
    segments = videos(read(path))
    assert sum(segment.frame_count for segment in segments) == 120
    captured = [segment.captured_us for segment in segments]
    assert captured == sorted(set(captured))


def test_a_picture_of_one_pixel_is_a_video_of_one_frame(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", [("dot.png", np.zeros((1, 1, 3), np.uint8))])
    (segment, end) = read(tmp_path / "in" / "dot.png")
    assert (segment.frame_count, segment.width_px, segment.height_px, end.kind) == (1, 2, 2, "end")


@pytest.mark.parametrize("side", [20_000, 8000])
def test_a_picture_that_is_too_large_is_refused(tmp_path: Path, side: int) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(huge_png(side))
    assert refusal(path).kind == "not_a_video"
    with pytest.raises(SourceError, match="pixels"):
        read_picture(path, 10**7)
    folder = tmp_path / "folder"
    write_pictures(folder, [("1.png", picture(0))])
    (folder / "2.png").write_bytes(huge_png(side))
    said: list[str] = []
    assert [segment.frame_count for segment in videos(read(folder, options(notice=said.append)))] == [1]
    assert len(said) == 1


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    assert refusal(tmp_path).kind == "no_pictures"
    with pytest.raises(SourceError, match="neither videos nor pictures"):
        expand(str(tmp_path))


def test_a_folder_of_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert refusal(tmp_path).kind == "not_a_video"


def test_a_folder_of_pictures_is_one_sequence_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "door"
    write_pictures(folder, [(f"frame {n}.{'png' if n % 2 else 'jpg'}", picture(n)) for n in (10, 9, 1, 2)])
    (named,) = expand(str(folder))
    segments = videos(read(folder, options(fps=2.0)))
    assert named.name == "door"
    assert [(segment.duration_us, segment.frame_count) for segment in segments] == [(2_000_000, 4)]
    assert read(folder, options(fps=2.0)) == read(folder, options(fps=2.0))
    assert read(folder, options(fps=1.0))[0].session != segments[0].session


def test_pictures_of_another_size_begin_a_segment_of_their_own(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", [("1.png", picture(0)), ("2.png", picture(0, (64, 48))), ("3.png", picture(0, (64, 48)))])
    assert [(s.width_px, s.frame_count) for s in videos(read(folder, options(fps=5.0)))] == [(96, 1), (64, 2)]


def test_a_folder_of_videos_is_as_many_sources(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_clip(tmp_path / name, replace(CODECS["h264"], frames=5))
    make_clip(tmp_path / "a", replace(CODECS["h264"], frames=5, suffix=".mkv"))
    assert sorted(source.name for source in expand(str(tmp_path))) == ["a.mkv", "a.mp4", "b"]


def test_the_name_of_a_url_holds_no_secret() -> None:
    (source,) = expand("rtsp://admin:s3cret@10.0.0.7:554/live/1?token=s3cret")
    assert source.name == "10.0.0.7:554-live-1"


def test_a_url_is_not_connected_to_before_it_is_read() -> None:
    open_source("rtsp://127.0.0.1:1/x", options()).close()


def test_the_gifs_become_mjpeg() -> None:
    records = read(shared_path("videos/two-heads.gif"))
    assert sum(segment.frame_count for segment in videos(records)) == 56


def test_an_empty_source_is_not_the_folder_at_hand() -> None:
    with pytest.raises(SourceError, match="an empty SOURCE"):
        expand("")
