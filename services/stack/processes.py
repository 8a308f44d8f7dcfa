"""Reads Linux's /proc: who lives, in whose session, and what it uses; imports nothing of ours."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Iterable

PROC = Path("/proc")
_ENDED = frozenset("ZX")
_STOPPED = frozenset("Tt")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A process of this boot of the machine; its number alone may be given to another one."""

    pid: int
    started_ticks: int  # from the boot to its start


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the kernel says of a process at one instant."""

    identity: Identity
    parent: int
    session: int
    cpu_ticks: int  # used so far, by all of its threads
    state: str  # one letter, see proc(5)

    @property
    def has_ended(self) -> bool:
        """It waits for its parent to ask how it ended."""
        return self.state in _ENDED

    @property
    def is_stopped(self) -> bool:
        """A signal has stopped it, or a debugger has."""
        return self.state in _STOPPED


def process(pid: int) -> Process | None:
    """Return what is known of a process; None: there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before may hold anything
    return Process(
        identity=Identity(pid=pid, started_ticks=int(fields[19])),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        state=fields[0],
    )


def processes() -> list[Process]:
    """Return all processes of the machine that have not ended."""
    found = (process(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [one for one in found if one is not None and not one.has_ended]


def lives(identity: Identity) -> bool:
    """Say whether this very process runs."""
    found = process(identity.pid)
    return found is not None and found.identity == identity and not found.has_ended


def family(leader: int, among: Iterable[Process]) -> list[Process]:
    """Return the process, everyone in its session, and their children, wherever those went."""
    everyone = list(among)
    members = {one.identity.pid for one in everyone if leader in {one.identity.pid, one.session}}
    while more := {one.identity.pid for one in everyone if one.parent in members} - members:
        members |= more
    return [one for one in everyone if one.identity.pid in members]


def session_of(leader: Identity, seen_ticks: int) -> list[Process]:
    """Return who is in the session that a process began, which may have ended meanwhile.

    The kernel gives the leader's number to nobody while its session has a member. So where the leader is gone, who began
    before the session was last seen is in that session, and who began later may be in another one of the same number.

    Args:
        leader: Began the session.
        seen_ticks: When the session was last known to be this one, from the boot on.
    """
    now = process(leader.pid)
    if now is not None and now.identity != leader and not now.has_ended:
        return []  # its number was given to another process, so the session had no member left
    is_there = now is not None and now.identity == leader
    return [one for one in processes() if one.session == leader.pid and (is_there or one.identity.started_ticks <= seen_ticks)]


def send(number: signal.Signals, to: Collection[Process]) -> None:
    """Send a signal to those that are still there."""
    for one in to:
        found = process(one.identity.pid)
        if found is not None and found.identity == one.identity:
            with suppress(ProcessLookupError):
                os.kill(one.identity.pid, number)


def memory_bytes(of: Iterable[Process]) -> int:
    """Return the memory of some processes; what several share is counted once among them."""
    return sum(_proportional_bytes(one.identity.pid) for one in of)


def now_ticks() -> int:
    """Return how long ago the machine was booted, in the ticks of `Identity.started_ticks`."""
    return int(float((PROC / "uptime").read_text(encoding="ascii").split()[0]) * TICKS_PER_S)


def boot() -> str:
    """Return the name of this boot of the machine: process numbers mean nothing after the next one."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _proportional_bytes(pid: int) -> int:
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has ended, or is another user's
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
