"""What `headcount deadletters` prints for people; imports the desk and rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from services.deadletters import Found, Kept, Listing

_LONGEST_HEADER = 200  # characters; a damaged one may be as long as a record
_MOST_HEADERS = 40


def print_listing(listing: Listing, console: Console) -> None:
    """Print how many there are of each reason, and the newest."""
    if listing.log is None or not listing.counts:
        console.print("no record was set aside" + ("" if listing.log is None else f" of {listing.log.uid}"), markup=False, soft_wrap=True)
    else:
        counts = ", ".join(f"{escape(reason)} {n}" for reason, n in listing.counts.items())
        console.print(f"[bold]set aside[/bold], log {listing.log.log_id} ({escape(listing.log.uid)}): {counts}", soft_wrap=True)
        console.print(_table(listing))
    for other in listing.others:
        console.print(f"an earlier log: --log {other.log_id}, {other.dead_letters} set aside ({other.uid})", markup=False, soft_wrap=True)


def print_found(found: Found, console: Console) -> None:
    """Print all that is known of one record."""
    for name, value in _facts(found):
        console.print(f"[bold]{name:<10}[/bold] {escape(value)}", soft_wrap=True)
    record = found.kept.record
    for name, content in (record.headers if record is not None else ())[:_MOST_HEADERS]:
        console.print(f"[bold]header[/bold]     {escape(readable(name))}: {escape(readable(content))}", soft_wrap=True)


def print_extracted(found: Found, out: Path, console: Console) -> None:
    """Say what was written, who can look at it, and what it means to have it."""
    record = found.kept.record
    size = 0 if record is None else len(record.value)
    console.print(f"{size} bytes written to {out}, which only you can read", markup=False, soft_wrap=True)
    if found.kept.is_matroska:
        console.print("it is Matroska: mpv, VLC or ffplay open it, as far as it is whole", soft_wrap=True)
    else:
        console.print("it does not begin as Matroska does: a player will hardly open it", soft_wrap=True)
    console.print(
        f"it holds pictures of people, and nothing else keeps them after {_instant(found.kept.until)}: delete it when you have looked",
        soft_wrap=True,
    )


def readable(text: str | bytes) -> str:
    """Return a damaged name or value on one line, without control characters, cut where it is long."""
    if isinstance(text, bytes):
        text = text[:_LONGEST_HEADER].decode("utf-8", "backslashreplace")
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[:_LONGEST_HEADER])
    return shown.encode("utf-8", "backslashreplace").decode()[:_LONGEST_HEADER]


def _table(listing: Listing) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("#", "offset", "reason", "camera", "captured", "noticed"):
        table.add_column(name, justify="right" if name in {"#", "offset"} else "left")
    for letter in listing.letters:
        camera = letter.camera or ("not known" if letter.camera_id is None else str(letter.camera_id))
        place = (str(letter.partition), str(letter.offset))
        table.add_row(*place, escape(letter.reason), escape(camera), _instant(letter.captured_at), _instant(letter.noticed_at))
    return table


def _facts(found: Found) -> Iterator[tuple[str, str]]:
    letter = found.letters[0]
    yield "place", f"partition {letter.partition}, offset {letter.offset} of log {found.log.log_id} ({found.log.uid})"
    yield "reason", ", ".join(letter.reason for letter in found.letters)
    yield "noticed", _instant(letter.noticed_at)
    yield "camera", "not known" if letter.camera_id is None else f"{letter.camera or 'not registered here'} ({letter.camera_id})"
    yield "session", "not known" if letter.session is None else f"{letter.session}, sequence {letter.sequence}"
    yield "captured", _instant(letter.captured_at)
    yield "bytes", _bytes_text(found.kept)
    if found.kept.fault is not None:
        yield "record", found.kept.fault


def _bytes_text(kept: Kept) -> str:
    if kept.trouble is not None:
        return f"nobody can say: {kept.trouble}"
    if kept.record is None:
        return "gone: their retention is over"
    form = "Matroska" if kept.is_matroska else "no Matroska"
    return f"{len(kept.record.value)} of video ({form}), kept until about {_instant(kept.until)}; headcount deadletters extract writes them"


def _instant(instant: datetime | None) -> str:
    return "not known" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"
