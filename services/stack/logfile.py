"""A log that a process writes and that is kept short from outside; imports nothing of ours."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - a field's type, which the state's reader resolves

_TAIL_BYTES = 256 * 2**10
_PRIVATE = 0o600
_COMPLAINT = "headcount: "  # how the program's own begin
_COUNTS = 3  # lines at the most that follow on one


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """What one part writes. It is emptied when it has grown, and one older file is kept beside it."""

    path: Path
    max_bytes: int = 8 * 2**20

    @property
    def older(self) -> Path:
        """Where the text goes that was there before."""
        return self.path.with_name(self.path.name + ".1")

    def open(self) -> int:
        """Return a descriptor that appends; whoever writes there goes on after the file was emptied."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)

    def shorten(self) -> None:
        """Move the text aside where there is too much; what is written in that instant may be lost."""
        with suppress(OSError):  # a full disk: it is tried again
            if self.path.stat().st_size <= self.max_bytes:
                return
            with self.path.open("rb") as full:
                full.seek(-self.max_bytes, os.SEEK_END)
                text = full.read()
            self.older.touch(mode=_PRIVATE)
            self.older.write_bytes(text)
            os.truncate(self.path, 0)

    def tail(self, lines: int) -> list[str]:
        """Return the last lines, also of the older file where there are too few; none where nothing was written."""
        newest = _last_lines(self.path, lines)
        return [*(_last_lines(self.older, lines - len(newest)) if len(newest) < lines else []), *newest]

    def last_words(self) -> str:
        """Return what was said last, for people: a complaint of ours rather than the counts behind it."""
        lines = [line.strip() for line in self.tail(20) if line.strip()]
        complaints = [line for line in lines[-_COUNTS:] if line.startswith(_COMPLAINT)]
        return (complaints or lines or [""])[-1].removeprefix(_COMPLAINT)


def _last_lines(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:] if lines > 0 else []
    except OSError:
        return []
