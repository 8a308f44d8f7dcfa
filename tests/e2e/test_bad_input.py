"""Bad input: one clear line that says what to do, the right exit code, everything else is counted, and no secret is shown."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pipeline.adapters.locallog import LocalLog
from pipeline.settings import Settings
from pipeline.types import Record
from services.clock import SystemClock
from services.segment_log import log_limits
from tests.clips import Clip, make_clip
from tests.e2e.rows import ask, tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.adapters.postgres.embedded import EmbeddedPostgres
    from tests.e2e.command import Program

USERS, MACHINES = 2, 1
SECRET = "p@ss/word?#%"
NOWHERE = "127.0.0.1:9"  # the discard port, where nothing listens


def png(width_px: int, height_px: int) -> bytes:
    """Return a PNG file that claims a size and holds one line of black."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1 + 3 * width_px))),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def not_a_video(folder: Path) -> str:
    (folder / "film.mp4").write_text("this is no video")
    return str(folder / "film.mp4")


def empty_file(folder: Path) -> str:
    (folder / "film.mp4").touch()
    return str(folder / "film.mp4")


def without_its_index(folder: Path) -> str:
    whole = make_clip(folder / "whole", Clip()).read_bytes()
    (folder / "film.mp4").write_bytes(whole[: len(whole) // 2])
    return str(folder / "film.mp4")


def folder_without_pictures(folder: Path) -> str:
    (folder / "film").mkdir()
    (folder / "film" / "notes.txt").touch()
    return str(folder / "film")


def huge_picture(folder: Path) -> str:
    (folder / "film").mkdir()
    (folder / "film" / "1.png").write_bytes(png(20_000, 20_000))
    return str(folder / "film")


def missing(folder: Path) -> str:
    return str(folder / "film.mp4")


def unknown_scheme(_: Path) -> str:
    return f"gopher://user:{SECRET}@example.org/film"


@pytest.fixture
def program(headcount: Program, database_url: str, data_dir: Path) -> Program:
    return headcount.with_settings(database_url=database_url, data_dir=data_dir)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (not_a_video, "not a video"),
        (empty_file, "empty"),
        (without_its_index, "truncated"),
        (folder_without_pictures, "neither videos nor pictures"),
        (missing, "no such file"),
        (unknown_scheme, "gopher"),
    ],
)
def test_a_source_that_cannot_be_used(program: Program, tmp_path: Path, make: Callable[[Path], str], words: str) -> None:
    ended = program("run", make(tmp_path))
    assert ended.code == USERS, ended
    assert words in ended.complaint
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("make", [not_a_video, huge_picture])
def test_the_other_source_is_counted(program: Program, demo_clip: Path, tmp_path: Path, make: Callable[[Path], str]) -> None:
    ended = program("run", make(tmp_path), demo_clip, "--json")
    assert ended.code == USERS, ended
    assert len(json.loads(ended.stdout)["visits"]) == 3
    assert ended.stderr.count("film") == 1, ended.stderr


def test_a_picture_of_too_many_pixels_is_refused(program: Program, tmp_path: Path) -> None:
    ended = program("run", huge_picture(tmp_path))
    assert ended.code == USERS, ended
    notices = [line for line in ended.stderr.splitlines() if "1.png" in line]
    assert len(notices) == 1, ended
    assert "have more than 50000000 pixels" in notices[0]


def test_an_unreachable_camera_beside_a_file(program: Program, database_url: str, demo_clip: Path, data_dir: Path) -> None:
    address = f"rtsp://user:{quote(SECRET, safe='')}@{NOWHERE}/stream"
    ended = program("run", address, demo_clip, "--json")
    assert ended.code == MACHINES, ended
    assert "Traceback" not in ended.stderr
    assert len(json.loads(ended.stdout)["visits"]) == 3
    assert "nothing listens on port 9" in ended.stderr
    stored = repr(ask(database_url, "SELECT name, source FROM camera"))
    files = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.suffix != ".segments")
    for secret in (SECRET, quote(SECRET, safe=""), "word"):
        assert secret not in ended.stdout + ended.stderr + stored
        assert secret.encode() not in files


def test_a_film_that_breaks_off_is_counted_up_to_there(program: Program, demo_clip: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.ts"
    whole = make_clip(tmp_path / "whole", Clip(suffix=".ts")).read_bytes()
    film.write_bytes(whole[: len(whole) * 2 // 3])
    ended = program("run", film, demo_clip, "--json")
    assert ended.code == 0, ended
    document = json.loads(ended.stdout)
    assert len(document["visits"]) == 3
    assert 55 + 15 <= document["totals"]["frames_analysed"] < 55 + 30


def test_a_stream_that_changes_its_size(program: Program, tmp_path: Path) -> None:
    small, large = (make_clip(tmp_path / f"{width}", Clip(suffix=".ts", size_wh=(width, 64))) for width in (96, 128))
    film = tmp_path / "film.ts"
    film.write_bytes(small.read_bytes() + large.read_bytes())
    ended = program("run", film, "--json")
    assert ended.code == 0, ended
    assert json.loads(ended.stdout)["totals"]["frames_analysed"] > 30


def test_the_smallest_picture(program: Program, tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "1.png").write_bytes(png(1, 1))
    ended = program("run", tmp_path / "film", "--json")
    assert ended.code == 0, ended
    assert json.loads(ended.stdout)["visits"] == []


def test_garbage_in_the_log_is_set_aside(program: Program, demo_clip: Path, database_url: str, data_dir: Path) -> None:
    assert program("ingest", demo_clip).code == 0
    limits = log_limits(Settings(data_dir=data_dir))
    with LocalLog(data_dir / "log", clock=SystemClock(), limits=limits) as log:
        log.append(0, Record(headers=(("v", b"garbage"),), value=b"\x00garbage" * 100))
    ended = program("worker", "--until-end")
    assert ended.code == 0, ended
    assert ask(database_url, "SELECT count(*) FROM visit") == [(3,)]
    letters = ask(database_url, "SELECT partition, log_offset, reason FROM dead_letter")
    assert len(letters) == 1
    assert letters[0][:2] == (0, 7)


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        (f"postgresql://user:{quote(SECRET, safe='')}@{NOWHERE}/rows", MACHINES, "is it running and reachable?"),
        (f"postgresql://user:{SECRET}@{NOWHERE}/rows", USERS, "percent-encode"),
        ("mysql://user:password@localhost/rows", USERS, "expected postgresql://"),
    ],
)
def test_a_database_that_cannot_be_used(program: Program, demo_clip: Path, url: str, code: int, words: str) -> None:
    ended = program.with_settings(database_url=url)("run", demo_clip)
    assert ended.code == code, ended
    assert words in ended.complaint
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret not in ended.stderr


def test_no_such_database(program: Program, demo_clip: Path, postgres_server: EmbeddedPostgres) -> None:
    ended = program.with_settings(database_url=postgres_server.url("nobody_made_it"))("run", demo_clip)
    assert ended.code == USERS, ended
    assert "make it, or correct HEADCOUNT_DATABASE_URL" in ended.complaint


def test_a_database_of_a_newer_headcount(program: Program, demo_clip: Path, database_url: str) -> None:
    tell(database_url, "UPDATE alembic_version SET version_num = '9999'")
    ended = program("run", demo_clip)
    assert ended.code == USERS, ended
    assert "newer Headcount (revision 9999)" in ended.complaint


def test_an_unknown_setting(program: Program, demo_clip: Path) -> None:
    ended = program.with_settings(analysis_pfs=5)("run", demo_clip)
    assert ended.code == USERS, ended
    assert "HEADCOUNT_ANALYSIS_PFS" in ended.complaint
    assert "did you mean HEADCOUNT_ANALYSIS_FPS?" in ended.complaint
