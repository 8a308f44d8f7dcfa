"""What each part's processes use of the machine, looked at every few seconds; imports nothing of ours but /proc's reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.stack.processes import TICKS_PER_S, Identity, Process, family, memory_bytes, processes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ports import Clock

_EVERY_S = 10.0  # reading the memory of twenty processes costs a twentieth of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one part, with all that it has started."""

    memory_bytes: int = 0
    cpu: float = 0.0  # cores in use, over the last few seconds


class UsageMeter:
    """Measures parts by their first processes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = 0.0
        self._measured_s = 0.0
        self._ticks: dict[Identity, int] = {}  # of each process when it was measured last
        self._found: dict[str, Usage] = {}

    def measure(self, leaders: Mapping[str, Identity]) -> Mapping[str, Usage]:
        """Return the usage of the parts by name; the one before where it is not yet time to look again."""
        now = self._clock.monotonic()
        if now < self._due_s:
            return self._found
        everyone = processes()
        families = {name: family(leader.pid, everyone) for name, leader in leaders.items()}
        elapsed_s = now - self._measured_s
        self._found = {
            name: Usage(memory_bytes=memory_bytes(members), cpu=self._cpu(members, elapsed_s)) for name, members in families.items()
        }
        self._ticks = {one.identity: one.cpu_ticks for members in families.values() for one in members}
        self._due_s, self._measured_s = now + _EVERY_S, now
        return self._found

    def _cpu(self, members: list[Process], elapsed_s: float) -> float:
        used = sum(one.cpu_ticks - self._ticks.get(one.identity, one.cpu_ticks) for one in members)
        return used / TICKS_PER_S / elapsed_s if elapsed_s > 0 else 0.0
