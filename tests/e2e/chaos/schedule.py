"""What is killed, and in which order: a seed decides; imports nothing of ours."""

from __future__ import annotations

import time
from collections import Counter
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What can be done to a column."""

    ACTOR = "SIGKILL of an actor"
    ZOMBIE = "SIGSTOP of an actor beyond the TTL, then SIGCONT"
    HANG = "SIGSTOP of an actor until it is replaced"
    RAYLET = "SIGKILL of the raylet"
    GCS = "SIGKILL of gcs_server"
    DRIVER = "SIGKILL of the driver"
    BACKEND = "SIGKILL of a PostgreSQL backend"
    POSTMASTER = "SIGKILL of the postmaster"
    POINT = "SIGKILL of a second worker at a named point"
    SECOND_ZOMBIE = "SIGSTOP of a second worker before COMMIT, then SIGCONT"


class Schedule:
    """Each kind once, in a random order; and again, in another one, until the time is over.

    Args:
        seed: Gives the same order, and the same choices, again.
        minutes: For so long; 0: each kind once.
    """

    def __init__(self, seed: int, minutes: float = 0.0) -> None:
        self.random = Random(seed)
        self.done: Counter[Kind] = Counter()
        self._until_s = time.monotonic() + minutes * 60
        self._ahead: list[Kind] = []

    def next(self) -> Kind | None:
        """Return what is to be done next, the same until it is done; None: it is over."""
        if not self._ahead and (not self.done or time.monotonic() < self._until_s):
            self._ahead = self.random.sample(list(Kind), len(Kind))
        return self._ahead[0] if self._ahead else None

    def tick_off(self) -> None:
        """Say that it was done."""
        self.done[self._ahead.pop(0)] += 1
