"""`headcount stack logs`: what a part has written last, and what it goes on to write."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError
from services.stack.parts import PARTS
from services.stack.state import SUPERVISOR, StackFolder

if TYPE_CHECKING:
    from pathlib import Path

    from services.stack.logfile import LogFile

_POLL_S = 0.2


def show(data_dir: Path, part: str, *, lines: int, follow: bool) -> None:
    """Write a part's last lines to stdout; with `follow` until the user interrupts.

    Raises:
        ConfigurationError: There is no such part, or it has written nothing yet.
    """
    if part not in {*PARTS, SUPERVISOR}:
        raise ConfigurationError(f"there is no part {part!r}: name one of {', '.join((*PARTS, SUPERVISOR))}")
    log = StackFolder(data_dir).log(part)
    if not log.path.exists():
        raise ConfigurationError(f"{part} has written nothing yet in {data_dir}: headcount stack up starts it")
    for line in log.tail(lines):
        sys.stdout.write(line + "\n")
    if follow:
        _follow(log)


def _follow(log: LogFile) -> None:
    position = log.path.stat().st_size
    while True:
        sys.stdout.flush()
        size = log.path.stat().st_size
        if size < position:  # it was emptied
            position = 0
        with log.path.open("rb") as file:
            file.seek(position)
            sys.stdout.write(file.read().decode(errors="replace"))
            position = file.tell()
        time.sleep(_POLL_S)
