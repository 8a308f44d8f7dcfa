"""What `headcount deadletters` says of records that could not be used, however damaged they are."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.adapters.postgres.deadletters import KnownLog, StoredLetter
from pipeline.record import to_record
from pipeline.types import Record, Segment, SegmentKind
from services.deadletter_tables import print_extracted, print_found, print_listing, readable
from services.deadletters import Found, Kept, Listing
from tests.contract.samples import NOON

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = KnownLog(log_id=3, uid="local:[bold]a", dead_letters=2)
LETTER = StoredLetter(
    partition=1,
    offset=4711,
    reason="not_openable",
    noticed_at=NOON,
    camera="[red]door",
    camera_id=UUID(int=5),
    session=7,
    sequence=9,
    captured_at=NOON,
)
NOBODYS = StoredLetter(
    partition=0, offset=1, reason="bad_header", noticed_at=NOON, camera=None, camera_id=None, session=None, sequence=None, captured_at=None
)
VIDEO = to_record(
    Segment(camera_id=UUID(int=5), session=7, sequence=9, kind=SegmentKind.GOP, captured_us=0, payload=b"\x1a\x45\xdf\xa3...")
)


def printed(show: Callable[[Console], None]) -> str:
    out = io.StringIO()
    show(Console(file=out, width=160))
    return out.getvalue()


def found(record: Record | None = VIDEO, letter: StoredLetter = LETTER) -> Found:
    return Found(log=LOG, letters=[letter], kept=Kept(record=record, until=NOON))


def test_the_list_counts_by_reason_and_names_what_is_known() -> None:
    listing = Listing(log=LOG, counts={"not_openable": 5, "bad_header": 1}, letters=[LETTER, NOBODYS], others=[replace(LOG, log_id=2)])
    text = printed(lambda console: print_listing(listing, console))
    for part in ("not_openable 5, bad_header 1", "local:[bold]a", "4711", "[red]door", "not known", "--log 2"):
        assert part in text
    document = listing.document()
    assert document["counts"] == {"not_openable": 5, "bad_header": 1}
    assert document["dead_letters"][0]["captured_at"] == NOON.isoformat()
    assert document["dead_letters"][1]["camera_id"] is None
    assert document["other_logs"] == [{"log": 2, "uid": "local:[bold]a", "dead_letters": 2}]


@pytest.mark.parametrize("log", [None, LOG])
def test_an_empty_list_says_so(log: KnownLog | None) -> None:
    listing = Listing(log=log, counts={}, letters=(), others=())
    assert "no record was set aside" in printed(lambda console: print_listing(listing, console))
    assert listing.document()["dead_letters"] == []


def test_all_that_is_known_of_a_record_is_shown() -> None:
    text = printed(lambda console: print_found(found(), console))
    for part in (
        "partition 1, offset 4711",
        "[red]door",
        "session",
        "sequence 9",
        "7 of video (Matroska)",
        "header     schema: 1",
        "12:00:00 UTC",
    ):
        assert part in text
    assert found().kept.fault is None


def test_what_is_wrong_with_a_header_is_said() -> None:
    text = printed(lambda console: print_found(found(Record(headers=(("schema", b"9"),), value=b"")), console))
    assert "record of schema 9" in text


def test_bytes_that_are_gone_are_said_to_be() -> None:
    assert "gone" in printed(lambda console: print_found(found(None, NOBODYS), console))


def test_who_cannot_look_says_why() -> None:
    away = Found(log=LOG, letters=[LETTER], kept=Kept(record=None, until=None, trouble="the brokers do not answer"))
    assert "nobody can say: the brokers do not answer" in printed(lambda console: print_found(away, console))


@given(headers=st.lists(st.tuples(st.text(max_size=300), st.binary(max_size=300)), max_size=60), value=st.binary(max_size=50))
def test_whatever_a_record_holds_it_can_be_shown(headers: list[tuple[str, bytes]], value: bytes) -> None:
    text = printed(lambda console: print_found(found(Record(headers=tuple(headers), value=value)), console))
    assert len(text.splitlines()) <= 9 + 40


@given(st.one_of(st.text(st.characters(), max_size=500), st.binary(max_size=500)))
def test_what_is_damaged_is_one_short_line_without_control_characters(text: str | bytes) -> None:
    shown = readable(text)
    assert len(shown) <= 200
    assert shown.isprintable()


@pytest.mark.parametrize(("value", "part"), [(VIDEO.value, "mpv, VLC or ffplay"), (b"garbage", "will hardly open it")])
def test_who_extracts_is_told_what_it_is_and_what_it_means(value: bytes, part: str) -> None:
    text = printed(lambda console: print_extracted(found(replace(VIDEO, value=value)), Path("[x].mkv"), console))
    for said in (part, "[x].mkv", "pictures of people", "delete it"):
        assert said in text
