"""What is killed, and in which order: a seed decides; imports nothing of ours."""

from __future__ import annotations

import time
from collections import Counter
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    BROKER = "SIGKILL of the Kafka broker"
    BROKER_STOPPED = "SIGSTOP of the Kafka broker beyond a request's time"
    TRITON = "SIGKILL of Triton"
    STUB = "SIGKILL of Triton's Python stub"


OF_SERVERS = (Kind.BROKER, Kind.BROKER_STOPPED, Kind.TRITON, Kind.STUB)
"""What only a column with servers has."""


class Schedule:
    """Each kind once, in a random order; and again, in another one, until the time is over.

    Args:
        seed: Gives the same order, and the same choices, again.
        kinds: What can be done.
        minutes: For so long; 0: each kind once.
    """

    def __init__(self, seed: int, kinds: Sequence[Kind], minutes: float = 0.0) -> None:
        self.random = Random(seed)
        self.done: Counter[Kind] = Counter()
        self.kinds = kinds
        self._until_s = time.monotonic() + minutes * 60
        self._ahead: list[Kind] = []

    def next(self) -> Kind | None:
        """Return what is to be done next, the same until it is done; None: it is over."""
        if not self._ahead and (not self.done or time.monotonic() < self._until_s):
            self._ahead = self.random.sample(self.kinds, len(self.kinds))
        return self._ahead[0] if self._ahead else None

    def tick_off(self) -> None:
        """Say that it was done."""
        self.done[self._ahead.pop(0)] += 1
