from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from pipeline.settings import Settings
from pipeline.stages.decode import DecodeOptions, DecodeOutcome, Decoder
from pipeline.video.picture import DecodedPicture, Scaler
from tests.clips import CODECS, Clip, make_clip, picture
from tests.sources import options, read, videos

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Frame, Segment

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuv420p10le", "gray", "rgb24", "bgra", "nv12", "gbrp"]
LIMITS = DecodeOptions.of(5, 640, 10**7)


def decode(segment: Segment, after_us: int | None = None, limits: DecodeOptions = LIMITS) -> tuple[list[Frame], DecodeOutcome]:
    decoding = Decoder(limits).decode(segment, after_us)
    return list(decoding), decoding.outcome


@pytest.fixture
def segments(tmp_path: Path) -> list[Segment]:
    return videos(read(make_clip(tmp_path / "clip", replace(CODECS["h264-b"], fps=25, frames=150, gop=25))))


def test_each_bucket_gives_its_first_frame_across_segments(segments: list[Segment]) -> None:
    after: int | None = None
    taken: list[int] = []
    observed: list[tuple[int, int]] = []
    decoder = Decoder(LIMITS)
    for segment in segments:
        decoding = decoder.decode(segment, after)
        taken += [frame.pts_us for frame in decoding]
        after = decoding.outcome.last_us
        observed += decoding.outcome.observed
    assert taken == [index * 200_000 for index in range(30)]
    assert all(before[1] == later[0] for before, later in pairwise(observed))


@pytest.mark.parametrize("target_s", [1.0, 2.0, 30.0])
def test_what_is_sampled_does_not_depend_on_the_cuts(tmp_path: Path, target_s: float) -> None:
    path = make_clip(tmp_path / "clip", replace(CODECS["h264-b"], fps=25, frames=150, gop=25))
    after: int | None = None
    taken: list[int] = []
    for segment in videos(read(path, options(Settings(segment_target_s=target_s)))):
        frames, outcome = decode(segment, after, DecodeOptions.of(7.5, 640, 10**7))
        taken += [frame.pts_us for frame in frames]
        after = outcome.last_us
    assert taken == [0, 160_000, 280_000, *taken[3:]]
    assert len(taken) == 45


def test_frames_that_were_seen_before_are_late(segments: list[Segment]) -> None:
    frames, outcome = decode(segments[0], after_us=segments[0].captured_us + 1_000_000)
    assert outcome.frames_late == 26
    assert frames[0].captured_us == segments[0].captured_us + 1_200_000
    again, repeated = decode(segments[0], after_us=segments[0].end_us)
    assert (again, repeated.reason, repeated.observed) == ([], None, ())


MANY_B = Clip(options={"x264-params": "keyint=7:min-keyint=7:scenecut=0:bframes=3:open-gop=1", "threads": "1"}, fps=25, frames=120)
HIDDEN = Clip(encoder="libvpx-vp9", suffix=".webm", options={"auto-alt-ref": "1", "lag-in-frames": "16"}, fps=25, frames=90, gop=30)


def decode_all(segments: list[Segment], fps: float) -> tuple[dict[int, Frame], list[DecodeOutcome]]:
    """Return the sampled frames by their time, and what came of each segment."""
    decoder, after, outcomes = Decoder(DecodeOptions.of(fps, 48, 10**7)), None, []
    taken: dict[int, Frame] = {}
    for segment in segments:
        decoding = decoder.decode(segment, after)
        taken |= {frame.pts_us: frame for frame in decoding}
        outcomes.append(decoding.outcome)
        after = decoding.outcome.last_us or after
    return taken, outcomes


@pytest.mark.parametrize("clip", [*CODECS.values(), MANY_B, HIDDEN], ids=[*CODECS, "h264-many-b", "vp9-hidden"])
def test_what_is_not_decoded_changes_nothing(tmp_path: Path, clip: Clip) -> None:
    segments = videos(read(make_clip(tmp_path / "clip", clip)))
    every, of_all = decode_all(segments, 1000)
    some, of_some = decode_all(segments, 3)
    buckets = {pts_us * 3 // 1_000_000: pts_us for pts_us in sorted(every, reverse=True)}
    assert sorted(some) == sorted(buckets.values())
    for pts_us, frame in some.items():
        assert np.array_equal(frame.small, every[pts_us].small)
    assert [replace(outcome, frames_decoded=0) for outcome in of_some] == [replace(outcome, frames_decoded=0) for outcome in of_all]
    decoded, shown = (sum(outcome.frames_decoded for outcome in outcomes) for outcomes in (of_some, of_all))
    assert decoded < shown or clip.encoder == "mpeg4"


def test_mjpeg_decodes_only_what_is_sampled(tmp_path: Path) -> None:
    (segment, *_) = videos(read(make_clip(tmp_path / "clip", replace(CODECS["mjpeg"], fps=25))))
    frames, outcome = decode(segment)
    assert (len(frames), outcome.frames_decoded) == (10, 10)
    assert outcome.observed == ((segment.captured_us, segment.end_us),)


def test_the_small_picture_has_the_longest_side_that_was_asked_for(segments: list[Segment]) -> None:
    frames, _ = decode(segments[0], limits=DecodeOptions.of(5, 48, 10**7))
    assert frames[0].small.shape == (32, 48, 3)
    assert frames[0].scale == 2
    assert decode(segments[0])[0][0].small.shape == (64, 96, 3), "never enlarged"


def test_colours_are_bgr_in_the_small_picture_and_rgb_in_windows(segments: list[Segment]) -> None:
    frame = decode(segments[0])[0][0]
    assert np.abs(frame.small[..., ::-1].astype(int) - picture(0)).mean() < 8
    assert np.abs(frame.picture.window(0, 0, 96, 64).astype(int) - picture(0)).mean() < 8


@pytest.mark.parametrize("name", FORMATS)
def test_a_window_is_a_part_of_the_whole_picture(name: str) -> None:
    frame = av.VideoFrame.from_ndarray(picture(3, (98, 66)), format="rgb24").reformat(format=name)
    whole = np.asarray(frame.to_ndarray(format="rgb24")).astype(int)
    for x0, y0, x1, y1 in [(0, 0, 98, 66), (3, 5, 40, 41), (97, 65, 98, 66), (51, 0, 52, 66)]:
        window = DecodedPicture(frame).window(x0, y0, x1, y1)
        assert window.flags.owndata
        assert np.abs(window - whole[y0:y1, x0:x1]).max() <= 3


def test_a_window_outside_is_refused() -> None:
    frame = av.VideoFrame(32, 16, "yuv420p")
    for corners in [(-1, 0, 4, 4), (0, 0, 33, 4), (4, 4, 4, 8)]:
        with pytest.raises(ValueError, match="32x16"):
            DecodedPicture(frame).window(*corners)


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_rotated_video_is_set_upright(tmp_path: Path, turn: int) -> None:
    clip = replace(CODECS["h264"], frames=10, rotation=turn)
    frame = decode(videos(read(make_clip(tmp_path / "clip", clip)))[0])[0][0]
    shown = np.rot90(picture(0), turn // 90)
    assert frame.picture.size_wh == (shown.shape[1], shown.shape[0])
    assert np.abs(frame.small[..., ::-1].astype(int) - shown).mean() < 8
    assert np.abs(frame.picture.window(10, 20, 40, 60).astype(int) - shown[20:60, 10:40]).mean() < 8


@pytest.mark.parametrize("side", [(1, 1), (2, 3), (1, 300)])
def test_tiny_pictures_can_be_made_small(side: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((side[1], side[0], 3), np.uint8), format="rgb24")
    assert max(Scaler(64).small(frame).shape[:2]) == min(64, max(side))


def test_garbage_is_not_openable(segments: list[Segment]) -> None:
    frames, outcome = decode(replace(segments[0], payload=b"garbage" * 100))
    assert (frames, outcome.reason, outcome.observed) == ([], "not_openable", ())
    assert outcome.error


def test_a_picture_that_is_too_large_is_refused_by_its_header_and_by_its_content(segments: list[Segment]) -> None:
    small = DecodeOptions.of(5, 640, 96 * 64 - 1)
    assert decode(segments[0], limits=small)[1].reason == "picture_too_large"
    lying = replace(segments[0], width_px=10, height_px=10)
    frames, outcome = decode(lying, limits=small)
    assert (frames, outcome.observed) == ([], ())
    assert outcome.reason is not None


def test_a_segment_without_pictures_says_so(tmp_path: Path) -> None:
    (segment, *_) = videos(read(make_clip(tmp_path / "clip", CODECS["h264"])))
    end = segment.payload.index(b"\x1f\x43\xb6\x75")  # Matroska's Cluster: its header stays, the pictures go
    assert decode(replace(segment, payload=segment.payload[: end + 12]))[1].reason == "no_frames"


def test_damage_is_left_out_up_to_the_next_keyframe(tmp_path: Path) -> None:
    clip = Clip(encoder="mpeg4", frames=50, fps=25, gop=25, size_wh=(320, 192))
    segment = videos(read(make_clip(tmp_path / "clip", clip)))[0]
    middle = len(segment.payload) // 4
    damaged = segment.payload[:middle] + bytes(300) + segment.payload[middle + 300 :]
    _, outcome = decode(replace(segment, payload=damaged))
    assert outcome.reason == "decode_error"
    seen_us = sum(to - since for since, to in outcome.observed)
    assert 900_000 < seen_us < segment.duration_us


def test_a_picture_size_that_changes_is_told(tmp_path: Path) -> None:
    parts = [make_clip(tmp_path / str(side), replace(CODECS["h264"], suffix=".ts", frames=10, size_wh=(side, 64))) for side in (96, 128)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    sizes = [frame.picture.size_wh for segment in videos(read(path)) for frame in decode(segment)[0]]
    assert set(sizes) == {(96, 64), (128, 64)}
