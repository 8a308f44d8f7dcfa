"""Processes as the kernel knows them; any may end while it is looked at."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; one that nobody has reaped yet does not."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def alive(processes: Iterable[psutil.Process]) -> list[str]:
    """Return pid and command line of those that still run."""
    return [f"{process.pid} {command_line(process)[:100]}" for process in living(processes)]


def named(processes: Iterable[psutil.Process], *beginnings: str) -> list[psutil.Process]:
    """Return those whose name begins in one of these ways."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith(beginnings):
                found.append(process)
    return found


def command_line(process: psutil.Process) -> str:
    """Return the words of its command; nothing where it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def listening(processes: Iterable[psutil.Process]) -> list[tuple[str, int]]:
    """Return the addresses and ports on which some processes listen."""
    found: list[tuple[str, int]] = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            sockets = [socket for socket in process.net_connections("tcp") if socket.status == psutil.CONN_LISTEN]
            found += [(socket.laddr.ip, socket.laddr.port) for socket in sockets]
    return found
