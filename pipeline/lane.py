"""One claimed partition at work: read, observe, classify, conclude, commit; sequential, at most one uncommitted batch."""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from pipeline.caution import Caution
from pipeline.closing import close_partition
from pipeline.errors import DatabaseUnavailableError, FencedError, HeadcountError, LogReplacedError, OffsetOutOfRangeError, TransientError
from pipeline.metrics import (
    CAREFUL_RECORDS,
    CROPS_CLASSIFIED,
    DEAD_LETTERS_KEPT,
    DEAD_LETTERS_NOT_KEPT,
    Stage,
    count_read,
    timed,
)
from pipeline.state import decode_state
from pipeline.streak import Streak
from pipeline.turns import Turns
from pipeline.types import BatchResult, LogGap

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from pipeline.engine import Engine, Seen
    from pipeline.ports import Classifier, Clock, DeadLetterShelf, Facts, SegmentLog
    from pipeline.settings import Settings
    from pipeline.types import Attributes, CameraState, Claim, StoredRecord, UInt8

T = TypeVar("T")
_log = structlog.get_logger()

_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_TOLD_S = 1.0  # before this pause the user is told
_READ_TIMEOUT_S = 1.0  # what lies in the log comes at once; what does not come in this time is a hole
_LONGEST_TRAIL = 1000  # dead letters that a new claim looks back at


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every lane of a worker works with."""

    log: SegmentLog
    shelf: DeadLetterShelf
    facts: Facts
    engine: Engine
    classifier: Classifier
    settings: Settings
    clock: Clock
    stop: threading.Event
    at: Callable[[str], None] = lambda _: None  # told each point at which a crash is interesting; tests stop there
    notice: Callable[[str], None] = lambda _: None  # told in a line what is waited for
    turns: Turns = field(default_factory=Turns)
    streak: Streak = field(default_factory=Streak)
    beat: Callable[[], None] = lambda: None  # told at each record and each try: the lane gets on


class Lane:
    """A partition between claim and release. Used by one thread at a time.

    Where several holders died without a commit, something in the next batch may have killed them. Then the lane works
    carefully: alone in its process, one record at a time, each written down before it is opened.

    Args:
        claim: The right to write the partition, at its committed position.
        equipment: Shared by all lanes.
    """

    def __init__(self, claim: Claim, equipment: Equipment) -> None:
        self.claim = claim
        self.replaced: LogReplacedError | None = None  # the log is another one; the partition is closed
        self._with = equipment
        self._queue: deque[StoredRecord] = deque()
        self._states: dict[UUID, CameraState] | None = None
        self._end = 0  # of the log, when it was asked last
        self._barren_to = -1  # up to this offset a read found nothing: the log ends with a hole
        self._caution = Caution.of(claim, equipment.settings.commit_segments)
        if self._caution.records:
            equipment.notice(_why_careful(claim, self._caution))

    def has_work(self) -> bool | None:
        """Say whether there is something to do; None: the log does not say for now.

        That is a record to read, a log that is shorter than what was committed or that is another one by now, or earlier holders'
        deaths that no record can explain.
        """
        if self.replaced is not None:
            return False
        if self._queue:
            return True
        try:
            latest = self._look()
        except TransientError:
            return None
        except LogReplacedError:
            return True
        return latest not in (self.claim.next_offset, self._barren_to) or self.claim.crashes > 0

    def forget_queue(self) -> None:
        """Let go of what was read and not yet analysed; it is read again."""
        self._queue.clear()

    def work(self) -> BatchResult | None:
        """Analyse and commit one batch; None where nothing was read, or where the database lost the batch and it is begun anew.

        Raises:
            FencedError: The claim is another's; the lane must be dropped.
            TransientError: Stopped while the outside world was away; nothing is lost.
            OffsetOutOfRangeError: The log is shorter than what was committed: it is not the log that we know.
            TooManyDeadLettersError: So many records in a row cannot be used that they are not at fault; the batch is not stored.
        """
        self._load()
        try:
            gaps = self._fill()
        except LogReplacedError as error:
            return self._close(error)
        if not self._queue and not gaps:
            self._forget_deaths()
            return None
        with self._with.turns.taken(self._with.stop, self._with.beat, alone=self._caution.records > 0) as came:
            return self._analyse(gaps) if came else None

    def _analyse(self, gaps: tuple[LogGap, ...]) -> BatchResult | None:
        """Look at a batch and commit it; what it has opened is a suspect only while nobody knows how that ends."""
        try:
            self._write_down_suspect()
            seen = self._with.engine.observe(self._states or {}, self._until_due(), self._caution.unopened)
            answers = self._patiently(lambda: self._classify(seen.crops), self._acquit)  # whoever ends a wait was not killed by a record
            conclusion = self._with.engine.conclude(seen, answers, gaps)
            to_offset = max(seen.next_offset, *(gap.to_offset for gap in gaps), self.claim.next_offset)
            self._with.streak.check(seen.outcomes, self.claim.partition, self._with.settings.dead_letters_in_a_row)
            self._shelve(seen)
            self._with.at("before_commit")
            if not self._commit(to_offset, conclusion.result):
                self._acquit()
                return None
        except FencedError:
            raise  # the record is another's, too
        except Exception:
            self._acquit()
            raise
        self._with.streak.store(seen.outcomes, self.claim.partition)
        CROPS_CLASSIFIED.inc(len(seen.crops))
        self._with.at("after_commit")
        self._states = dict(conclusion.states)
        return conclusion.result

    def _close(self, error: LogReplacedError) -> BatchResult:
        """Store what is open, for no record will ever end it."""
        self.claim, result = self._patiently(lambda: close_partition(self.claim, self._with.facts, self._with.engine, self._end))
        _log.warning("partition_closed", partition=self.claim.partition, offset=self.claim.next_offset, visits=len(result.visits))
        self.replaced = error
        return result

    def _look(self) -> int:
        self._end = self._with.log.offsets(self.claim.partition).stop
        return self._end

    def _shelve(self, seen: Seen) -> None:
        """Keep the bytes of what could not be used, before the commit that passes it; where that cannot be, its reason has to do."""
        for stored, letter in seen.set_aside:
            try:
                self._patiently(partial(self._with.shelf.keep, stored, letter.reason), self._acquit)
            except TransientError:
                raise
            except HeadcountError as error:
                DEAD_LETTERS_NOT_KEPT.inc()
                _log.warning("dead_letter_not_kept", partition=stored.partition, offset=stored.offset, error=str(error))
            else:
                DEAD_LETTERS_KEPT.inc()

    def _write_down_suspect(self) -> None:
        """In careful mode, store which record is opened next; one without video kills nobody."""
        if not self._caution.records or not self._queue or not self._queue[0].record.value:
            return
        offset = self._queue[0].offset
        if offset not in self._caution.unopened:
            count = self._caution.deaths_of(offset) + 1
            CAREFUL_RECORDS.inc()
            _log.warning("careful_record", partition=self.claim.partition, offset=offset, opened=count)
            self.claim = self._patiently(lambda: self._with.facts.suspect(self.claim, offset, count))

    def _forget_deaths(self) -> None:
        """Where there is nothing to open, nothing has killed earlier holders: else those of a quiet partition would add up."""
        if self.claim.crashes:
            self._caution = Caution()
            self._commit(self.claim.next_offset, BatchResult())

    def _acquit(self) -> None:
        """Take back that a record was opened: whoever lives to say so was not killed by it."""
        offset = self.claim.suspect_offset
        if offset is not None:
            with suppress(HeadcountError):
                self.claim = self._with.facts.suspect(self.claim, offset, self._caution.deaths_of(offset))

    def _load(self) -> None:
        if self._states is None:
            stored = self._patiently(lambda: self._with.facts.load(self.claim))
            trail = self._patiently(lambda: self._with.facts.trail(self.claim, _LONGEST_TRAIL))
            self._with.streak.resume(self.claim.partition, trail)
            self._states = {camera_id: decode_state(data) for camera_id, data in stored.items()}

    def _fill(self) -> tuple[LogGap, ...]:
        """Read where nothing is left over; return what the log no longer had."""
        if self._queue:
            return ()
        partition, first = self.claim.partition, self.claim.next_offset
        latest = self._patiently(self._look)
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
        count_read(records)
        if not records:
            self._barren_to = latest
        return (LogGap(partition=partition, from_offset=first, to_offset=offset, reason="retention"),) if offset > first else ()

    def _read(self, offset: int) -> list[StoredRecord]:
        max_bytes = self._with.settings.batch_max_bytes

        def read() -> list[StoredRecord]:
            with timed(Stage.LOG):
                return list(self._with.log.read(self.claim.partition, offset, max_bytes=max_bytes, timeout_s=_READ_TIMEOUT_S))

        return self._patiently(read)

    def _until_due(self) -> Iterator[StoredRecord]:
        """Yield a batch of the queue's records, until a commit is due or the worker stops; at least one, so that work goes on."""
        due = self._with.clock.monotonic() + self._with.settings.commit_s
        most = 1 if self._caution.records else self._with.settings.commit_segments
        for _ in range(min(len(self._queue), most)):
            self._with.beat()
            yield self._queue.popleft()
            if self._with.stop.is_set() or self._with.clock.monotonic() >= due:
                return

    def _classify(self, crops: UInt8) -> Attributes:
        with timed(Stage.CLASSIFY):
            return self._with.classifier.classify(crops)

    def _commit(self, to_offset: int, result: BatchResult) -> bool:
        """Commit; after a lost connection ask what became of it. False: it did not land, begin anew from what is stored."""
        caution = self._caution.after(to_offset)
        self._with.beat()
        try:
            with timed(Stage.COMMIT):
                self.claim = self._with.facts.commit(self.claim, to_offset, result, stay_careful=caution.records > 0)
        except DatabaseUnavailableError:
            self.claim = self._patiently(lambda: self._with.facts.confirm(self.claim, to_offset))
            if self.claim.next_offset != to_offset:
                self._queue.clear()
                self._states = None
                return False
        self._caution = caution
        return True

    def _patiently(self, attempt: Callable[[], T], before_waiting: Callable[[], None] = lambda: None) -> T:
        """Try again while the outside world is away, until the worker is told to stop."""
        waiting = False
        for delay_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
            self._with.beat()
            try:
                answer = attempt()
            except TransientError as error:
                if self._with.stop.is_set():
                    raise
                if not waiting:
                    _log.warning("waiting", partition=self.claim.partition, offset=self.claim.next_offset, error=str(error))
                    before_waiting()
                waiting = True
                if delay_s == _TOLD_S:
                    self._with.notice(f"partition {self.claim.partition} waits: {error}")
                self._with.clock.sleep(delay_s)
            else:
                if waiting:
                    _log.warning("waiting_is_over", partition=self.claim.partition)
                return answer
        raise AssertionError


def _why_careful(claim: Claim, caution: Caution) -> str:
    if caution.unopened:
        return f"partition {claim.partition}: {caution.deaths} workers died of record {claim.suspect_offset}; it is set aside unopened"
    return f"partition {claim.partition}: {claim.crashes} workers in a row died before a commit; its records are opened one by one"
