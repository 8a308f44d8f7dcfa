"""Segments of one camera as files of their own, and who may use the folder; imports records, types and errors.

A file is a record's headers as lines of text, an empty line, and its value: `pipeline.record` finds what is damaged. It is whole or not
there after a kill; what a power failure leaves half is found by its checksum, so nothing waits for the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InvalidRecordError
from pipeline.record import to_record, to_segment
from pipeline.types import Record

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Segment

_NAME = re.compile(r"([0-9]{19})-([0-9]{19})-([0-9]{1,17})\.segment")
_LOCK = "lock"  # holds the session that its last holder was given


class FolderInUseError(OSError):
    """Another process uses the camera's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A segment on disk, as its name says it."""

    path: Path
    session: int
    sequence: int
    spooled_ms: int  # since the epoch
    size: int  # bytes


class CameraFolder:
    """A camera's files, held by one process until it is closed, by whatever death.

    Raises:
        FolderInUseError: Another process holds it.
        OSError: It cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        self._path = path
        self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise FolderInUseError(f"{path} is used by another process") from None

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._lock)

    def last_session(self) -> int | None:
        """Return the session that `note` wrote last, by whichever process."""
        text = os.pread(self._lock, 20, 0)
        return int(text) if text.isdigit() else None

    def note(self, session: int) -> None:
        """Write down which session the holder was given."""
        os.pwrite(self._lock, f"{session:020d}".encode(), 0)

    def files(self) -> list[SpoolFile]:
        """Return the segments that are there, in their order; a file that was being written is deleted."""
        found: list[SpoolFile] = []
        for entry in sorted(self._path.iterdir()):
            match = _NAME.fullmatch(entry.name)
            if match is not None:
                session, sequence, spooled_ms = (int(part) for part in match.groups())
                size = entry.stat().st_size
                found.append(SpoolFile(path=entry, session=session, sequence=sequence, spooled_ms=spooled_ms, size=size))
            elif entry.name != _LOCK:
                entry.unlink(missing_ok=True)
        return found

    def write(self, segment: Segment, spooled_ms: int) -> SpoolFile:
        """Write a segment's file.

        Raises:
            OSError: It cannot be written; nothing of it is left.
        """
        record = to_record(segment)
        head = b"".join(name.encode() + b"=" + value + b"\n" for name, value in record.headers)
        path = self._path / f"{segment.session:019d}-{segment.sequence:019d}-{spooled_ms}.segment"
        fresh = path.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.writelines((head, b"\n", record.value))
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        size = len(head) + 1 + len(record.value)
        return SpoolFile(path=path, session=segment.session, sequence=segment.sequence, spooled_ms=spooled_ms, size=size)


def read(file: SpoolFile) -> Segment:
    """Return the segment of a file.

    Raises:
        InvalidRecordError: It is damaged, or another segment's.
        OSError: It cannot be read.
    """
    head, _, value = file.path.read_bytes().partition(b"\n\n")
    pairs = [line.partition(b"=") for line in head.split(b"\n")]
    segment = to_segment(Record(headers=tuple((name.decode("ascii", "replace"), text) for name, _, text in pairs), value=value))
    if (segment.session, segment.sequence) != (file.session, file.sequence):
        raise InvalidRecordError("bad_header", f"{file.path.name} holds another segment than its name says")
    return segment


def sweep(root: Path, before_ms: int) -> int:
    """Delete what was spooled before an instant in folders that no process holds; return how many segments that were.

    Args:
        root: The folder of all cameras' folders.
        before_ms: Since the epoch.
    """
    deleted = 0
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        with suppress(OSError):  # held, gone meanwhile, or not ours to delete: its holder or a later sweep does
            deleted += _sweep_one(path, before_ms)
    return deleted


def _sweep_one(path: Path, before_ms: int) -> int:
    folder = CameraFolder(path)
    try:
        files = folder.files()
        old = [file for file in files if file.spooled_ms < before_ms]
        for file in old:
            file.path.unlink(missing_ok=True)
        return len(old)
    finally:
        folder.close()
