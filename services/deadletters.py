"""`headcount deadletters`: what could not be used, why, and its bytes as long as they are there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigurationError, HeadcountError, InvalidRecordError
from pipeline.record import to_segment
from pipeline.types import from_us
from services.wiring import open_letters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pipeline.adapters.postgres.deadletters import KnownLog, StoredLetter, Which
    from pipeline.settings import Settings
    from pipeline.types import Record
    from services.wiring import Letters

_MATROSKA = b"\x1a\x45\xdf\xa3"
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Dead letters of a log."""

    log: KnownLog | None  # None: no log was ever read into this database
    counts: Mapping[str, int]  # reason -> how many, also of those that are not listed
    letters: Sequence[StoredLetter]  # the newest first
    others: Sequence[KnownLog]  # logs of which there are dead letters, too

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "log": None if self.log is None else _log_object(self.log),
            "counts": dict(self.counts),
            "dead_letters": [_letter_object(letter) for letter in self.letters],
            "other_logs": [_log_object(log) for log in self.others],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record that was set aside, as far as it is still there."""

    record: Record | None  # None: it is gone
    until: datetime | None  # its retention ends then; None: not known, or over
    trouble: str | None = None  # why nobody can say whether it is there

    @property
    def fault(self) -> str | None:
        """What is wrong with it as a segment, before its video is looked at; None: nothing."""
        if self.record is None:
            return None
        try:
            to_segment(self.record)
        except InvalidRecordError as error:
            return str(error)
        return None

    @property
    def is_matroska(self) -> bool:
        """Whether its value begins as Matroska does."""
        return self.record is not None and self.record.value.startswith(_MATROSKA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that is known of one record that was set aside."""

    log: KnownLog
    letters: Sequence[StoredLetter]  # one for each reason, at least one
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record is."""

    partition: int
    offset: int
    log_id: int | None = None  # None: the present log

    def __str__(self) -> str:
        return f"partition {self.partition}, offset {self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who looks at dead letters.

    Args:
        letters: What is stored, and where the bytes are.
        settings: Say how long they are kept.
    """

    letters: Letters
    settings: Settings

    def newest(self, which: Which, limit: int, log_id: int | None) -> Listing:
        """Return the newest dead letters.

        Raises:
            ConfigurationError: There is no such log.
            DatabaseUnavailableError: Try again.
        """
        logs = self._logs(log_id)
        if not logs:
            return Listing(log=None, counts={}, letters=(), others=())
        log, *others = logs
        return Listing(
            log=log,
            counts=self.letters.stored.counts(log.log_id, which),
            letters=self.letters.stored.newest(log.log_id, which, limit),
            others=[other for other in others if other.dead_letters],
        )

    def show(self, place: Place) -> Found:
        """Return all that is known of a record that was set aside.

        Raises:
            ConfigurationError: None was set aside there.
            DatabaseUnavailableError: Try again.
        """
        logs = self._logs(place.log_id)
        letters = self.letters.stored.at(logs[0].log_id, place.partition, place.offset) if logs else []
        if not letters:
            raise ConfigurationError(f"no record was set aside at {place}; `headcount deadletters list` says where some were")
        return Found(log=logs[0], letters=letters, kept=self._bytes(logs[0], letters[0]))

    def extract(self, place: Place, out: Path) -> Found:
        """Write the video of a record that was set aside into a new file that only its owner can read.

        Raises:
            ConfigurationError: None was set aside there, or the file cannot be made.
            HeadcountError: The bytes are gone, or cannot be had for now.
        """
        found = self.show(place)
        if found.kept.trouble is not None:
            raise HeadcountError(f"the bytes of {place} cannot be looked for: {found.kept.trouble}")
        if found.kept.record is None:
            raise HeadcountError(f"the bytes of {place} are gone: video is kept for {self.settings.retention_minutes:g} minutes")
        if not found.kept.record.value:
            raise HeadcountError(f"the record at {place} holds no video; `headcount deadletters show` shows its headers")
        _write(out, found.kept.record.value)
        return found

    def _logs(self, log_id: int | None) -> list[KnownLog]:
        """Return the log that is meant, and then the others."""
        log = self.letters.log
        known = list(self.letters.stored.logs(None if log is None else log.uid()))
        if log_id is None:
            return known
        meant = [log for log in known if log.log_id == log_id]
        if not meant:
            raise ConfigurationError(f"--log: there is no log {log_id}; known are {', '.join(str(log.log_id) for log in known) or 'none'}")
        return [*meant, *(log for log in known if log.log_id != log_id)]

    def _bytes(self, meant: KnownLog, letter: StoredLetter) -> Kept:
        log, shelf = self.letters.log, self.letters.shelf
        if log is None or shelf is None:
            return Kept(record=None, until=None, trouble=self.letters.trouble)
        if log.uid() != meant.uid:
            return Kept(record=None, until=None, trouble="this is an earlier log; what it held is deleted with it")
        try:
            record = shelf.find(letter.partition, letter.offset)
            in_log = record is not None and letter.offset in log.offsets(letter.partition)
            appended_us = log.appended_us(letter.partition, letter.offset) if in_log else None
        except HeadcountError as error:
            return Kept(record=None, until=None, trouble=str(error))
        kept_from = letter.noticed_at if appended_us is None else from_us(appended_us)
        until = None if record is None else kept_from + timedelta(minutes=self.settings.retention_minutes)
        return Kept(record=record, until=until)


@contextmanager
def open_desk(settings: Settings, notice: Callable[[str], None]) -> Iterator[Desk]:
    """Yield who looks at the dead letters of the kept rows; starts the embedded database where it is not running.

    Raises:
        ConfigurationError: Nothing was kept yet.
        HeadcountError: The database cannot be used.
    """
    if settings.database_url is None and not (settings.data_dir / "postgres").is_dir():
        raise ConfigurationError(f"nothing is kept in {settings.data_dir} yet: `headcount run --keep` or `headcount ingest` begins it")
    with open_letters(settings, notice) as letters:
        yield Desk(letters=letters, settings=settings)


def _write(out: Path, value: bytes) -> None:
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        raise ConfigurationError(f"--out: {out} exists; name a new file") from None
    except OSError as error:
        raise ConfigurationError(f"--out: {out} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(value)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise HeadcountError(f"--out: {out} cannot be written: {error.strerror}") from None


def _log_object(log: KnownLog) -> dict[str, Any]:
    return {"log": log.log_id, "uid": log.uid, "dead_letters": log.dead_letters}


def _letter_object(letter: StoredLetter) -> dict[str, Any]:
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "noticed_at": letter.noticed_at.isoformat(),
        "camera": letter.camera,
        "camera_id": None if letter.camera_id is None else str(letter.camera_id),
        "session": letter.session,
        "sequence": letter.sequence,
        "captured_at": None if letter.captured_at is None else letter.captured_at.isoformat(),
    }
