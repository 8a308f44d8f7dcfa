"""Files to segments to frames, for every codec that can be encoded here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import pytest

from pipeline.settings import Settings
from pipeline.types import Segment, SegmentKind, to_us
from pipeline.video.open import open_segment
from tests.clips import CODECS, X264_B, X264_CLOSED, X264_OPEN, Clip, make_clip
from tests.sources import START, options, read, videos

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer


def hashes(container: InputContainer) -> list[str]:
    return [hashlib.md5(frame.to_ndarray(format="rgb24").tobytes()).hexdigest() for frame in container.decode(video=0)]


def hashes_of_segment(segment: Segment) -> list[str]:
    with open_segment(segment.payload) as container:
        return hashes(container)


@pytest.mark.parametrize("name", CODECS)
def test_segments_decode_to_the_pictures_of_the_whole_stream(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / "clip", CODECS[name])
    with av.open(str(path)) as container:
        whole = hashes(container)
    records = read(path)
    decoded = [picture for segment in videos(records) for picture in hashes_of_segment(segment)]
    lost = len(whole) - len(decoded)
    assert set(decoded) <= set(whole)
    assert lost == 0 if "open" not in name else 0 < lost <= 3 * len(videos(records)), "only leading frames may be lost"
    assert [len(hashes_of_segment(segment)) for segment in videos(records)] == [segment.frame_count for segment in videos(records)]


@pytest.mark.parametrize("name", CODECS)
def test_segments_adjoin_and_reading_again_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / "clip", CODECS[name])
    records = read(path)
    assert records == read(path)
    assert len(videos(records)) > 1
    assert [record.sequence for record in records] == list(range(len(records)))
    assert all(before.end_us == after.captured_us for before, after in pairwise(records))
    assert (records[-1].kind, records[0].captured_us) == (SegmentKind.END, to_us(START))
    assert records[-1].captured_us - records[0].captured_us == pytest.approx(6_000_000, abs=300_000)


def test_reading_goes_on_from_a_position(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip", CODECS["h264-b"])
    assert read(path, next_sequence=2) == read(path)[2:]


def test_the_session_comes_from_the_content_alone(tmp_path: Path) -> None:
    first = make_clip(tmp_path / "first", CODECS["h264"])
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(first.read_bytes())
    other = make_clip(tmp_path / "other", replace(CODECS["h264"], frames=61))
    sessions = [read(path)[0].session for path in (first, copy, other)]
    assert sessions[0] == sessions[1] != sessions[2]
    assert 0 < sessions[0] < 2**63


def test_capture_begins_at_the_creation_time_of_the_container(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip", replace(CODECS["h264"], metadata={"creation_time": "2025-05-04T03:02:01.000000Z"}))
    segments = read(path, replace(options(), start=None))
    assert segments[0].captured_us == to_us(START.replace(2025, 5, 4, 3, 2, 1))


def test_a_first_pts_far_from_zero_changes_nothing(tmp_path: Path) -> None:
    early = read(make_clip(tmp_path / "early", replace(CODECS["h264-b"], suffix=".mkv")))
    late = read(make_clip(tmp_path / "late", replace(CODECS["h264-b"], suffix=".mkv", first_pts=36_000)))
    assert [segment.captured_us for segment in early] == [segment.captured_us for segment in late]


def test_an_endless_group_of_pictures_is_encoded_as_mjpeg(tmp_path: Path) -> None:
    said: list[str] = []
    endless = Clip(frames=90, gop=1000, options={"x264-params": "keyint=infinite:scenecut=0"})
    settings = Settings(segment_max_frames=30)
    records = read(make_clip(tmp_path / "clip", endless), options(settings, said.append))
    assert {segment.codec for segment in videos(records)} == {"mjpeg"}
    assert sum(segment.frame_count for segment in videos(records)) == 90
    assert all(before.end_us == after.captured_us for before, after in pairwise(records))
    assert len(said) == 1
    assert "MJPEG" in said[0]


def test_only_the_group_that_is_too_large_is_encoded(tmp_path: Path) -> None:
    forced = Clip(frames=90, options={"x264-params": "keyint=infinite:scenecut=0:bframes=0", "forced-idr": "1"})
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options=forced.options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(90):
            frame = av.VideoFrame(96, 64, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            frame.pict_type = 1 if index in {0, 20, 40, 80} else 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    segments = videos(read(path, options(Settings(segment_max_frames=30))))
    assert [segment.codec for segment in segments] == ["h264", "h264", "mjpeg", "mjpeg", "h264"]
    assert [segment.frame_count for segment in segments] == [20, 20, 20, 20, 10]


@pytest.mark.parametrize("clip", [Clip(encoder="gif", suffix=".gif", pix_fmt="rgb8"), Clip(encoder="rawvideo", suffix=".avi")])
def test_what_cannot_be_cut_is_encoded_as_full_range_mjpeg(tmp_path: Path, clip: Clip) -> None:
    said: list[str] = []
    segments = videos(read(make_clip(tmp_path / "clip", clip), options(notice=said.append)))
    assert (sum(segment.frame_count for segment in segments), len(said)) == (60, 1)
    with open_segment(segments[0].payload) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.color_range) == ("yuvj420p", 2)


def test_odd_sides_become_even(tmp_path: Path) -> None:
    (segment, *_) = read(make_clip(tmp_path / "clip", Clip(encoder="gif", suffix=".gif", pix_fmt="rgb8", size_wh=(97, 65), frames=3)))
    assert (segment.width_px, segment.height_px) == (98, 66)


def test_sound_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=16000, layout="mono")
        video = container.add_stream("libx264", rate=10, options=X264_CLOSED)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for index in range(30):
            frame = av.VideoFrame(96, 64, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame))
        sound = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        sound.planes[0].update(bytes(4096))
        sound.sample_rate, sound.pts, sound.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    for segment in videos(read(path)):
        with open_segment(segment.payload) as container_in:
            assert [stream.type for stream in container_in.streams] == ["video"]


@pytest.mark.parametrize("params", [X264_CLOSED, X264_B, X264_OPEN])
def test_bytes_on_the_log_stay_near_the_streams_own(tmp_path: Path, params: dict[str, str]) -> None:
    path = make_clip(tmp_path / "clip", Clip(size_wh=(640, 360), options=params | {"crf": "10"}))
    with av.open(str(path)) as container:
        own = sum(packet.size for packet in container.demux(video=0))
    logged = sum(len(segment.payload) for segment in videos(read(path)))
    assert logged < 1.05 * own + 800 * len(videos(read(path)))


def test_a_file_is_read_at_its_own_pace_when_asked(tmp_path: Path) -> None:
    how = replace(options(), pace=True)
    read(make_clip(tmp_path / "clip", CODECS["h264"]), how)
    assert how.clock.monotonic() == pytest.approx(6.0, abs=0.2)
