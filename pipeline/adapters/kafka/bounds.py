"""Knows where the partitions of a topic begin and end, without asking the brokers at each call; imports errors and this package."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained
from pipeline.adapters.kafka.rounds import Rounds
from pipeline.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.adapters.kafka.cluster import Cluster

_REQUEST_MS = 5000
_EVERY_S = 1.0
_SOON_S = 0.02
_FRESH_S = 3.0  # what is older is not told: two looks in a row have failed
_ASKED_S = 10.0  # partitions that nobody asks for are not looked at
_PATIENCE_S = 7.0  # longer than the brokers' client waits for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where a partition began and ended."""

    bounds: range
    at_s: float  # by `time.monotonic()`, before the brokers were asked


class Growth:
    """What a client itself learned of the ends of partitions, where the brokers were asked longer ago; locked by who has it."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[int, float]] = {}  # partition -> its end, and when that was learned

    def note(self, partition: int, end: int, at_s: float) -> None:
        """Note that a partition reaches to `end` at least; threads tell out of order."""
        self._ends[partition] = (max(end, self.end_of(partition)), at_s)

    def end_of(self, partition: int) -> int:
        """Return how far a partition reaches at least."""
        return self._ends.get(partition, (0, 0.0))[0]

    def forget(self, partition: int, before_s: float) -> None:
        """Forget what was learned before the brokers were asked."""
        if self._ends.get(partition, (0, before_s))[1] < before_s:
            del self._ends[partition]


class Bounds:
    """The first and the next offset of partitions, at most about a second old. Safe to use from several threads.

    Args:
        cluster: The brokers.
        topic: Whose partitions.
        partitions: How many it has; the first look is at all of them.
        on_trouble: Told when the brokers did not say; not from a caller's thread.
    """

    def __init__(self, cluster: Cluster, topic: str, *, partitions: int, on_trouble: Callable[[], None] = lambda: None) -> None:
        self._topic = topic
        self._on_trouble = on_trouble
        self._lock = Lock()
        self._known: dict[int, Known] = {}
        self._asked_s = dict.fromkeys(range(partitions), time.monotonic())
        self._growth = Growth()
        self._admin = connected(cluster, KafkaAdminClient, request_timeout_ms=_REQUEST_MS)
        self._rounds = Rounds(f"offsets of topic {topic}", self._look, every_s=self._every_s, soon_s=_SOON_S, on_look=lambda: None)

    def of(self, partition: int) -> range:
        """Return a partition's bounds; waits only where they are not known.

        Raises:
            HeadcountError: They cannot be had for now.
        """
        now_s = time.monotonic()
        with self._lock:
            self._asked_s[partition] = now_s
            known = self._known.get(partition)
        if known is not None and now_s - known.at_s <= _FRESH_S:
            return self._grown_to(partition, known.bounds)
        trouble = self._rounds.trouble
        if trouble is not None:
            self._rounds.want(now_s)  # who asks for many partitions must not wait at each of them for what has just failed
            raise trouble.with_traceback(None)  # else each raise adds to it
        return self.fresh(partition)

    def fresh(self, partition: int) -> range:
        """Return a partition's bounds as they are now.

        Raises:
            HeadcountError: They cannot be had for now.
        """
        now_s = time.monotonic()
        with self._lock:
            self._asked_s[partition] = now_s
        self._rounds.wait(now_s, _PATIENCE_S)
        with self._lock:
            bounds = self._known[partition].bounds
        return self._grown_to(partition, bounds)

    def grew(self, partition: int, stop: int) -> None:
        """Note that a partition reaches to `stop` at least: a record was read or acknowledged."""
        with self._lock:
            self._growth.note(partition, stop, time.monotonic())

    def close(self) -> None:
        """Stop looking."""
        self._rounds.close()
        self._admin.close()

    def _grown_to(self, partition: int, bounds: range) -> range:
        with self._lock:
            return range(bounds.start, max(bounds.stop, self._growth.end_of(partition)))

    def _every_s(self) -> float | None:
        return _EVERY_S if self._wanted(time.monotonic()) else None

    def _wanted(self, now_s: float) -> list[int]:
        with self._lock:
            return [partition for partition, asked_s in self._asked_s.items() if now_s - asked_s <= _ASKED_S]

    def _look(self) -> None:
        began_s = time.monotonic()
        partitions = [TopicPartition(self._topic, partition) for partition in self._wanted(began_s)]
        try:
            with explained(f"reading the offsets of topic {self._topic}"):
                starts = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
                stops = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        except TransientError:
            self._on_trouble()
            raise
        with self._lock:
            for place in partitions:
                known = Known(bounds=range(starts[place].offset, stops[place].offset), at_s=began_s)
                self._known[place.partition] = known
                self._growth.forget(place.partition, began_s)
