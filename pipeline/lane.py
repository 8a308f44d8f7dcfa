"""One claimed partition at work: read, observe, classify, conclude, commit; sequential, at most one uncommitted batch."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import DatabaseUnavailableError, OffsetOutOfRangeError, TransientError
from pipeline.state import decode_state
from pipeline.types import LogGap

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from pipeline.engine import Engine
    from pipeline.ports import Classifier, Clock, Facts, SegmentLog
    from pipeline.settings import Settings
    from pipeline.types import Attributes, BatchResult, CameraState, Claim, StoredRecord, UInt8

T = TypeVar("T")

_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_TOLD_S = 1.0  # before this pause the user is told
_READ_TIMEOUT_S = 1.0  # what lies in the log comes at once; what does not come in this time is a hole


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every lane of a worker works with."""

    log: SegmentLog
    facts: Facts
    engine: Engine
    classifier: Classifier
    settings: Settings
    clock: Clock
    stop: threading.Event
    at: Callable[[str], None] = lambda _: None  # told each point at which a crash is interesting; tests stop there
    notice: Callable[[str], None] = lambda _: None  # told in a line what is waited for


class Lane:
    """A partition between claim and release. Used by one thread at a time.

    Args:
        claim: The right to write the partition, at its committed position.
        equipment: Shared by all lanes.
    """

    def __init__(self, claim: Claim, equipment: Equipment) -> None:
        self.claim = claim
        self._with = equipment
        self._queue: deque[StoredRecord] = deque()
        self._states: dict[UUID, CameraState] | None = None
        self._barren_to = -1  # up to this offset a read found nothing: the log ends with a hole

    def has_work(self) -> bool | None:
        """Say whether there is a record to read, or a log that is shorter than what was committed; None: the log does not say for now."""
        if self._queue:
            return True
        try:
            return self._with.log.latest(self.claim.partition) not in (self.claim.next_offset, self._barren_to)
        except TransientError:
            return None

    def forget_queue(self) -> None:
        """Let go of what was read and not yet analysed; it is read again."""
        self._queue.clear()

    def work(self) -> BatchResult | None:
        """Analyse and commit one batch; None where nothing was read, or where the database lost the batch and it is begun anew.

        Raises:
            FencedError: The claim is another's; the lane must be dropped.
            TransientError: Stopped while the outside world was away; nothing is lost.
            OffsetOutOfRangeError: The log is shorter than what was committed: it is not the log that we know.
        """
        self._load()
        gaps = self._fill()
        if not self._queue and not gaps:
            return None
        seen = self._with.engine.observe(self._states or {}, self._until_due())
        answers = self._patiently(lambda: self._classify(seen.crops))
        conclusion = self._with.engine.conclude(seen, answers, gaps)
        to_offset = max(seen.next_offset, *(gap.to_offset for gap in gaps), self.claim.next_offset)
        self._with.at("before_commit")
        if not self._commit(to_offset, conclusion.result):
            return None
        self._with.at("after_commit")
        self._states = dict(conclusion.states)
        return conclusion.result

    def _load(self) -> None:
        if self._states is None:
            stored = self._patiently(lambda: self._with.facts.load(self.claim))
            self._states = {camera_id: decode_state(data) for camera_id, data in stored.items()}

    def _fill(self) -> tuple[LogGap, ...]:
        """Read where nothing is left over; return what the log no longer had."""
        if self._queue:
            return ()
        partition, first = self.claim.partition, self.claim.next_offset
        latest = self._patiently(lambda: self._with.log.latest(partition))
        offset = first
        while True:
            try:
                records = self._read(offset)
                break
            except OffsetOutOfRangeError as error:
                if offset > error.latest:
                    raise
                offset = error.earliest  # retention may overtake the next try, too
        self._queue.extend(records)
        if not records:
            self._barren_to = latest
        return (LogGap(partition=partition, from_offset=first, to_offset=offset, reason="retention"),) if offset > first else ()

    def _read(self, offset: int) -> list[StoredRecord]:
        max_bytes = self._with.settings.batch_max_bytes

        def read() -> list[StoredRecord]:
            return list(self._with.log.read(self.claim.partition, offset, max_bytes=max_bytes, timeout_s=_READ_TIMEOUT_S))

        return self._patiently(read)

    def _until_due(self) -> Iterator[StoredRecord]:
        """Yield a batch of the queue's records, until a commit is due or the worker stops; at least one, so that work goes on."""
        due = self._with.clock.monotonic() + self._with.settings.commit_s
        for _ in range(min(len(self._queue), self._with.settings.commit_segments)):
            yield self._queue.popleft()
            if self._with.stop.is_set() or self._with.clock.monotonic() >= due:
                return

    def _classify(self, crops: UInt8) -> Attributes:
        return self._with.classifier.classify(crops)

    def _commit(self, to_offset: int, result: BatchResult) -> bool:
        """Commit; after a lost connection ask what became of it. False: it did not land, begin anew from what is stored."""
        try:
            self.claim = self._with.facts.commit(self.claim, to_offset, result)
        except DatabaseUnavailableError:
            self.claim = self._patiently(lambda: self._with.facts.confirm(self.claim, to_offset))
            if self.claim.next_offset != to_offset:
                self._queue.clear()
                self._states = None
                return False
        return True

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Try again while the outside world is away, until the worker is told to stop."""
        for delay_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
            try:
                return attempt()
            except TransientError as error:
                if self._with.stop.is_set():
                    raise
                if delay_s == _TOLD_S:
                    self._with.notice(f"partition {self.claim.partition} waits: {error}")
                self._with.clock.sleep(delay_s)
        raise AssertionError
