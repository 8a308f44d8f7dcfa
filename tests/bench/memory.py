"""How much memory each process of a run takes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.bench.column import WAYS, analyse, open_site
from tests.bench.material import busy
from tests.bench.measure import Figure, count
from tests.bench.processes import memory as memory_now

if TYPE_CHECKING:
    from tests.bench.setup import Setup

_CAMERAS, _SECONDS = 4, 15
_EVERY = 4  # looks: reading a process's pages takes milliseconds
_MIB = 2**20


def memory(setup: Setup) -> list[Figure]:
    """Proportional set sizes when all processes together had most, of a run over 4 cameras of 15 s (1080p)."""
    clip = busy(setup.clips, _SECONDS)
    figures: list[Figure] = []
    with open_site() as site:
        for way, flags in WAYS.items():
            peak = _Peak()
            analyse(site, [clip] * _CAMERAS, *flags, look=peak.look)
            figures += [count(f"run {way}: {name}", size / _MIB, "MiB") for name, size in peak.most.most_common()]
            figures.append(count(f"run {way}: all", peak.most.total() / _MIB, "MiB"))
    return figures


class _Peak:
    """Keeps the look at which there was most."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self._looks = 0

    def look(self) -> None:
        self._looks += 1
        if self._looks % _EVERY == 0:
            self.most = max(self.most, memory_now(), key=Counter.total)
