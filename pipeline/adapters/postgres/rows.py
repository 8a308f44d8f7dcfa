"""Values of the pipeline as rows of the tables, and back; imports types only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.types import CoverageMinute, DeadLetter, LogGap, Visit, from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import RowMapping

Row: TypeAlias = dict[str, Any]
COUNTERS = ("segments", "frames_decoded", "frames_analysed", "detections")
_VISIT_FIELDS = tuple(field.name for field in fields(Visit))


def visit_row(visit: Visit) -> Row:
    """Return the row of a visit."""
    row = {name: getattr(visit, name) for name in _VISIT_FIELDS}
    row.update(first_box=list(visit.first_box), last_box=list(visit.last_box), band_probs=list(visit.band_probs) or None)
    return row


def visit_of(row: RowMapping) -> Visit:
    """Return the visit of a row."""
    values: Row = {name: row[name] for name in _VISIT_FIELDS}
    values.update({name: tuple(values[name] or ()) for name in ("first_box", "last_box", "band_probs")})
    return Visit(**values)


def bits_text(seconds: int) -> str:
    """Return 60 bits as PostgreSQL reads them: `get_bit` counts from the left, so second 0 comes first."""
    return f"{seconds:060b}"[::-1]


def merged(minutes: Iterable[CoverageMinute]) -> list[CoverageMinute]:
    """Return one entry a camera and minute, in the order of their key; one upsert cannot touch a row twice."""
    by_key: dict[tuple[UUID, datetime], CoverageMinute] = {}
    for minute in minutes:
        key = (minute.camera_id, minute.minute)
        by_key[key] = _sum(by_key[key], minute) if key in by_key else minute
    return [by_key[key] for key in sorted(by_key)]


def coverage_row(minute: CoverageMinute) -> Row:
    """Return the row of a minute, without what was rejected in it."""
    counters = {name: getattr(minute, name) for name in COUNTERS}
    return {
        "camera_id": minute.camera_id,
        "minute": minute.minute,
        "level": minute.level.value,
        "seconds": bits_text(minute.seconds),
        **counters,
    }


def reject_rows(minute: CoverageMinute) -> list[Row]:
    """Return a row for each reason, in their order."""
    return [
        {"camera_id": minute.camera_id, "minute": minute.minute, "reason": reason, "n": n} for reason, n in sorted(minute.rejected.items())
    ]


def dead_letter_row(letter: DeadLetter, log_id: int) -> Row:
    """Return the row of a dead letter."""
    return {
        "log_id": log_id,
        "partition": letter.partition,
        "log_offset": letter.offset,
        "reason": letter.reason,
        "camera_id": letter.camera_id,
        "session": letter.session,
        "sequence": letter.sequence,
        "captured_at": None if letter.captured_us is None else from_us(letter.captured_us),
    }


def dead_letter_of(row: RowMapping) -> DeadLetter:
    """Return the dead letter of a row."""
    captured_at = row["captured_at"]
    names = ("partition", "reason", "camera_id", "session", "sequence")
    captured_us = None if captured_at is None else to_us(captured_at)
    return DeadLetter(offset=row["log_offset"], captured_us=captured_us, **{name: row[name] for name in names})


def log_gap_row(gap: LogGap, log_id: int) -> Row:
    """Return the row of a gap."""
    return {
        "log_id": log_id,
        "partition": gap.partition,
        "from_offset": gap.from_offset,
        "to_offset": gap.to_offset,
        "reason": gap.reason,
    }


def _sum(one: CoverageMinute, other: CoverageMinute) -> CoverageMinute:
    rejected: dict[str, int] = defaultdict(int, one.rejected)
    for reason, n in other.rejected.items():
        rejected[reason] += n
    counters = {name: getattr(one, name) + getattr(other, name) for name in COUNTERS}
    level = one.level.weaker(other.level)
    return replace(other, seconds=one.seconds | other.seconds, level=level, rejected=dict(rejected), **counters)
