"""Cameras and recordings over HTTP, real sockets on loopback."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.settings import Settings
from pipeline.types import SegmentKind
from tests.clips import make_clip, picture, write_pictures
from tests.httpd import Answer, HttpServer
from tests.live import LIVE_CLIP, Watch
from tests.rtp import access_units
from tests.sources import videos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = Settings(segment_target_s=0.4, segment_max_s=2, connect_timeout_s=0.4, read_timeout_s=0.4)
PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:3.0,\n{}\n#EXT-X-ENDLIST\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HttpServer]:
    mkv = make_clip(folder / "recording", replace(LIVE_CLIP, suffix=".mkv")).read_bytes()
    ts = make_clip(folder / "part", replace(LIVE_CLIP, suffix=".ts"))
    frames, _ = access_units(make_clip(folder / "clip", LIVE_CLIP))
    raw = b"".join(b"\0\0\0\1" + unit for _, units in frames for unit in units)
    write_pictures(folder, [(f"{index}.jpg", picture(index)) for index in range(5)])
    pictures = tuple((folder / f"{index}.jpg").read_bytes() for index in range(5))
    answers = {
        "/recording.mkv": Answer(body=mkv),
        "/cut.mkv": Answer(body=mkv, cut_at=len(mkv) // 2),
        "/raw.h264": Answer(body=raw),
        "/snapshot.jpg": Answer(body=pictures[0], type="image/jpeg"),
        "/part.ts": Answer(body=ts.read_bytes(), type="video/mp2t"),
        "/list.m3u8": Answer(body=PLAYLIST.format("part.ts").encode(), type="application/vnd.apple.mpegurl"),
        "/thief.m3u8": Answer(body=PLAYLIST.format(ts.as_uri()).encode(), type="application/vnd.apple.mpegurl"),
        "/camera": Answer(pictures=pictures, interval_s=0.1),
        "/slow": Answer(pictures=pictures, interval_s=0.5),
        "/401": Answer(status=401),
        "/403": Answer(status=403),
        "/503": Answer(status=503),
        "/silent": Answer(silent=True),
        "/page": Answer(body=b"<html>Log in</html>", type="text/html"),
        "/junk": Answer(body=bytes(range(256)) * 40),
        "/empty": Answer(),
    }
    with HttpServer(answers) as running:
        yield running


def url(server: HttpServer, path: str) -> str:
    return f"http://admin:s3cret@127.0.0.1:{server.port}{path}?token=s3cret"


@pytest.mark.parametrize(("path", "frames"), [("/recording.mkv", 60), ("/raw.h264", 60), ("/list.m3u8", 60), ("/snapshot.jpg", 1)])
def test_a_recording_ends(server: HttpServer, path: str, frames: int) -> None:
    watch = Watch(url=url(server, path), limit_s=5)
    records = watch.read()
    assert watch.said == []
    assert [record.kind for record in records].count(SegmentKind.END) == 1
    assert records[-1].kind is SegmentKind.END
    assert sum(segment.frame_count for segment in videos(records)) == frames


def test_a_recording_that_breaks_off_gives_what_came_and_ends(server: HttpServer) -> None:
    watch = Watch(url=url(server, "/cut.mkv"), limit_s=5)
    records = watch.read()
    assert records[-1].kind is SegmentKind.END
    assert 10 <= sum(segment.frame_count for segment in videos(records)) < 60
    assert watch.said
    assert not any("s3cret" in line for line in watch.said)


def test_stopping_ends_a_recording_early(server: HttpServer) -> None:
    records = Watch(url=url(server, "/recording.mkv"), count=2).read()
    assert [record.kind for record in records] == [SegmentKind.GOP, SegmentKind.GOP, SegmentKind.END]


@pytest.mark.parametrize(("path", "interval_s"), [("/camera", 0.1), ("/slow", 0.5)])
def test_mjpeg_is_dated_by_its_arrival(server: HttpServer, path: str, interval_s: float) -> None:
    began_s = time.time()
    segments = videos(Watch(url=url(server, path), count=3).read())[:3]
    assert began_s - interval_s < segments[0].captured_us / 1e6
    assert segments[-1].end_us / 1e6 < time.time() + interval_s
    assert all(later.captured_us == pytest.approx(before.end_us, abs=20_000) for before, later in pairwise(segments))
    spanned_s = (segments[-1].captured_us - segments[0].captured_us) / 1e6
    frames = sum(segment.frame_count for segment in segments[:-1])
    assert spanned_s == pytest.approx(frames * interval_s, abs=2.5 * interval_s)


@pytest.mark.parametrize(
    ("path", "kind", "exit_code"),
    [
        ("/401", "auth_failed", 2),
        ("/403", "auth_failed", 2),
        ("/nothing", "not_found", 2),
        ("/503", "connection_failed", 1),
        ("/silent", "timeout", 1),
        ("/page", "connection_failed", 1),
        ("/junk", "connection_failed", 1),
        ("/empty", "connection_failed", 1),
        ("/thief.m3u8", "connection_failed", 1),  # a playlist of the web must not open local files
    ],
)
def test_what_is_no_stream(server: HttpServer, path: str, kind: str, exit_code: int) -> None:
    error = Watch(url=url(server, path), settings=SHORT).fails()
    assert (error.kind, error.exit_code) == (kind, exit_code), str(error)
    assert "s3cret" not in str(error)
