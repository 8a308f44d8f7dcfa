"""`headcount deadletters` on a real database and log: listed, shown, written out, and gone when retention says so."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.errors import ConfigurationError, HeadcountError
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.types import BatchResult, DeadLetter, Record, Segment, SegmentKind
from services.cli import app
from services.wiring import open_column, open_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from services.wiring import Column

MATROSKA = b"\x1a\x45\xdf\xa3..."
VIDEO = to_record(Segment(camera_id=UUID(int=5), session=7, sequence=9, kind=SegmentKind.GOP, captured_us=0, payload=MATROSKA))
NAMELESS = Record(headers=(("sch\x1b[31mema", b"\xff\x00"),), value=b"")


@dataclass(frozen=True)
class Kept:
    """Rows and a log that are kept, with a video at offset 0 and a nameless record at offset 1 of partition 0, both set aside."""

    column: Column
    options: list[str]

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["deadletters", *arguments, *self.options], catch_exceptions=False)

    def document(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.call("list", "--json", *arguments).stdout)
        return document


@pytest.fixture
def kept(database_url: str, tmp_path: Path) -> Iterator[Kept]:
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url)
    with open_place(settings, print, kept=True) as place, open_column(place, settings, writes_log=True) as column:
        camera = column.registry().register("door", "door.mp4")
        offsets = [column.log.append(0, record) for record in (VIDEO, NAMELESS)]
        incarnation = enrol(column.database, slot="a", log_id=column.log_id)
        claim, *_ = PostgresClaims(column.database, incarnation, ttl_s=10).acquire()
        letters = (
            DeadLetter(
                partition=0, offset=offsets[0], reason="not_openable", camera_id=camera.camera_id, session=7, sequence=9, captured_us=0
            ),
            DeadLetter(partition=0, offset=offsets[1], reason="bad_header"),
        )
        facts = PostgresFacts(column.database, log_id=column.log_id, worker_id=incarnation.worker_id)
        facts.commit(claim, 2, BatchResult(dead_letters=letters))
        yield Kept(column=column, options=["--data-dir", str(settings.data_dir), "--database-url", database_url])


def test_they_are_counted_and_listed_by_camera_and_reason(kept: Kept) -> None:
    assert kept.document()["counts"] == {"bad_header": 1, "not_openable": 1}
    assert [letter["offset"] for letter in kept.document("--camera", "door")["dead_letters"]] == [0]
    assert [letter["offset"] for letter in kept.document("--reason", "bad_header")["dead_letters"]] == [1]
    assert len(kept.document("--limit", "1")["dead_letters"]) == 1
    assert kept.document("--camera", "nobody")["counts"] == {}
    assert "not_openable" in kept.call("list").stdout


def test_one_is_shown_however_damaged(kept: Kept) -> None:
    video, nameless = kept.call("show", "0", "0"), kept.call("show", "0", "1")
    assert "7 of video (Matroska)" in video.stdout
    assert "door" in video.stdout
    assert "sch\\x1b[31mema: \\xff\\x00" in nameless.stdout
    with pytest.raises(ConfigurationError, match="no record was set aside at partition 1, offset 0"):
        kept.call("show", "1", "0")


def test_the_video_is_written_for_its_owner_alone_and_over_nothing(kept: Kept, tmp_path: Path) -> None:
    out = tmp_path / "bad.mkv"
    assert "pictures of people" in kept.call("extract", "0", "0", "--out", str(out)).stdout
    assert out.read_bytes() == VIDEO.value
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="exists"):
        kept.call("extract", "0", "0", "--out", str(out))
    with pytest.raises(ConfigurationError, match="cannot be made"):
        kept.call("extract", "0", "0", "--out", str(tmp_path / "no" / "bad.mkv"))
    with pytest.raises(HeadcountError, match="holds no video"):
        kept.call("extract", "0", "1", "--out", str(tmp_path / "none.mkv"))
    assert not (tmp_path / "none.mkv").exists()


def test_what_retention_took_is_said_to_be_gone(kept: Kept, tmp_path: Path) -> None:
    kept.column.clear()
    assert "gone" in kept.call("show", "0", "0").stdout
    with pytest.raises(HeadcountError, match="are gone: video is kept for 60 minutes") as raised:
        kept.call("extract", "0", "0", "--out", str(tmp_path / "bad.mkv"))
    assert raised.value.exit_code == 1


def test_an_earlier_log_is_named_and_can_be_asked_for(kept: Kept, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path / "other", database_url=kept.options[3])
    with open_place(other, print, kept=True) as place, open_column(place, other, writes_log=True):
        pass
    there = Kept(column=kept.column, options=["--data-dir", str(tmp_path / "other"), *kept.options[2:]])
    assert there.document()["counts"] == {}
    (earlier,) = there.document()["other_logs"]
    assert earlier["dead_letters"] == 2
    assert there.document("--log", str(earlier["log"]))["counts"] == {"bad_header": 1, "not_openable": 1}
    assert "an earlier log" in there.call("show", "0", "0", "--log", str(earlier["log"])).stdout
    with pytest.raises(ConfigurationError, match="no log 99"):
        there.document("--log", "99")


def test_where_nothing_is_kept_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing is kept"):
        CliRunner().invoke(app, ["deadletters", "list", "--data-dir", str(tmp_path / "none")], catch_exceptions=False)
    assert not (tmp_path / "none").exists()
