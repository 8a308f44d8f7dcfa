"""The processes below the drivers of a column: found by name, and none left behind; imports nothing of ours."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTOR = "ray::WorkerActor"
RAYLET = "raylet"
GCS = "gcs_server"

_END_S = 10.0


class Herd:
    """Every process that was ever seen below a driver. Those of a driver that was killed belong to nobody any more."""

    def __init__(self) -> None:
        self._seen: set[psutil.Process] = set()
        self._drivers: list[psutil.Process] = []

    def add(self, pid: int) -> None:
        """Follow a driver that was started."""
        self._drivers.append(psutil.Process(pid))
        self.look()

    def look(self) -> None:
        """Remember what is there now."""
        self._seen.update(self._below_the_last(), self._drivers)

    def named(self, name: str) -> list[psutil.Process]:
        """Return the living processes below the last driver whose title begins so."""
        self.look()
        return sorted((each for each in self._below_the_last() if _title(each).startswith(name)), key=lambda process: process.pid)

    def end(self) -> None:
        """End what still lives, and check that it is gone; the database's processes are its own server's."""
        rest = {each for seen in self._seen for each in _with_children(seen) if _title(each) and "postgres" not in _title(each)}
        for process in rest:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, left = psutil.wait_procs(rest, timeout=_END_S)
        assert not left, [_title(process) for process in left]

    def _below_the_last(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return self._drivers[-1].children(recursive=True)
        return []


def is_alive(process: psutil.Process) -> bool:
    """Say whether a process can still do anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _with_children(process: psutil.Process) -> Iterator[psutil.Process]:
    yield process
    with suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)


def _title(process: psutil.Process) -> str:
    """Return what a process calls itself; nothing where it is gone."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return Path(words[0]).name if words else ""
