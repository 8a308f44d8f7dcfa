"""A file of sources, so that their passwords stand neither in the list of processes nor in a shell's history."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAMED = re.compile(r"([^=]*?)\s*=\s+(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSource:
    """A line of the file."""

    address: str = field(repr=False)  # may hold a password
    name: str | None = None  # of the camera; None: after the address


def read_sources(path: Path, notice: Callable[[str], None]) -> list[ListedSource]:
    """Return a file's sources: one a line, `address` or `name = address`; lines that begin with # are comments.

    Args:
        path: The file.
        notice: Told where other users may read it.

    Raises:
        ConfigurationError: It cannot be read, or names no source.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"--from {path}: cannot be read ({reason})") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        notice(f"{path} can be read by others, and may hold passwords: chmod 600 {path}")
    sources = [_listed(path, number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip() and line.strip()[0] != "#"]
    if not sources:
        raise ConfigurationError(f"--from {path}: names no source; give one a line, as ADDRESS or NAME = ADDRESS")
    return sources


def _listed(path: Path, number: int, line: str) -> ListedSource:
    match = _NAMED.fullmatch(line)
    name, address = (match[1], match[2]) if match else (None, line)
    if not address or name == "":
        raise ConfigurationError(f"--from {path}, line {number}: expected ADDRESS or NAME = ADDRESS")
    return ListedSource(address=address, name=name)
