"""The worker's loop: claims partitions, works their lanes side by side, gives them back; knows the ports only."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from pipeline.errors import DatabaseUnavailableError, FencedError, HeadcountError, HungError, SupersededError, TransientError
from pipeline.lag import lag_of
from pipeline.lane import Lane
from pipeline.metrics import PARTITIONS_HELD, count_batch, hide_lag, show_lag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from pipeline.lane import Equipment
    from pipeline.ports import Claims
    from pipeline.types import BatchResult, Claim, Lag
    from pipeline.watchdog import Watchdog

_log = structlog.get_logger()

_TICK_S = 0.05
_CLAIM_EVERY_S = 1.0


class Worker:
    """Analyses the partitions that it can claim until it is told to stop.

    Args:
        claims: Of one log, in this worker's slot.
        equipment: What its lanes work with; its `stop` event ends the worker after the batches in hand.
        on_commit: Told each committed batch; from any thread.
        watchdog: Ends the process when a lane hangs; none: nobody does.
    """

    def __init__(
        self,
        claims: Claims,
        equipment: Equipment,
        on_commit: Callable[[BatchResult], None] = lambda _: None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._watchdog = watchdog
        self._claims = claims
        self._with = equipment
        self._on_commit = on_commit
        self._lanes: dict[int, Lane] = {}
        self._running: dict[int, tuple[Lane, Future[None]]] = {}  # a fenced lane may still run when its partition has a new one
        self._at_once = equipment.settings.lanes or len(os.sched_getaffinity(0))
        self._superseded = threading.Event()
        self._claim_due = 0.0
        self._surplus = 0

    def run(self, *, until_end: threading.Event | None = None) -> None:
        """Work until `stop` is set, or, once `until_end` is set, until everything that can be claimed is analysed.

        Raises:
            SupersededError: A newer incarnation runs in this slot; the process must exit.
            ConfigurationError: The model is broken, or too many records in a row cannot be used.
            LogReplacedError: The log was made anew; what was open in the old one is stored. Open everything anew.
            HungError: A lane did not stop in time; the process must be ended without waiting for its thread.
        """
        with self._renewing() as renewing, self._pool() as pool, self._giving_back(), self._stopping():
            while not (self._with.stop.is_set() or self._superseded.is_set() or renewing.done()):
                self._tick(pool)
                if until_end is not None and until_end.is_set() and self._idle() and self._acquire():
                    break
                self._with.stop.wait(_TICK_S)
        if self._superseded.is_set():
            raise SupersededError("another worker was started in this slot; this one has given way")

    @contextmanager
    def _renewing(self) -> Iterator[Future[None]]:
        """Renew in a thread of its own while the block runs; a bug there ends the worker and is raised."""
        finished = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="renew") as pool:
            renewing = pool.submit(self._renew, finished)
            try:
                yield renewing
            finally:
                finished.set()
        renewing.result()

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Provide the lanes' threads; one that hangs is left behind."""
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="lane")
        try:
            yield pool
        finally:
            hung = sorted(partition for partition, (_, future) in self._running.items() if not future.done())
            pool.shutdown(wait=False)
            if hung:
                numbers = ", ".join(map(str, hung))
                raise HungError(f"partition {numbers} did not stop within {self._with.settings.stop_timeout_s:g} s; start the worker again")

    @contextmanager
    def _giving_back(self) -> Iterator[None]:
        """Give the partitions back after the block; also where it ends with an error of ours, for that is not the death of a worker."""
        try:
            yield
            self._collect()
        except HeadcountError:
            self._running = {partition: run for partition, run in self._running.items() if not run[1].done()}
            self._give_back()
            raise
        self._give_back()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stop the lanes whatever ends the block, and wait for their batches in hand as long as the settings say."""
        try:
            yield
        finally:
            if self._running:
                self._with.stop.set()
            wait([future for _, future in self._running.values()], timeout=self._with.settings.stop_timeout_s)

    def _tick(self, pool: ThreadPoolExecutor) -> None:
        """Collect finished batches, claim, and set the idle lanes that have work to it."""
        if self._watchdog is not None:
            self._watchdog.check()
        self._collect()
        self._leave_a_replaced_log()
        if self._with.clock.monotonic() >= self._claim_due:
            self._acquire()
        self._give_surplus_back()
        for partition, lane in list(self._lanes.items()):
            if partition in self._running:
                continue
            if len(self._running) < self._at_once and lane.has_work():
                self._running[partition] = lane, pool.submit(self._work, lane)
                self._lanes[partition] = self._lanes.pop(partition)  # to the end: the others come first next time
            else:
                lane.forget_queue()  # at most `lanes` batches are in memory, however many partitions lag
        PARTITIONS_HELD.set(len(self._lanes))

    def _leave_a_replaced_log(self) -> None:
        """End when all that this worker held of a log that is no more is closed."""
        errors = [lane.replaced for lane in self._lanes.values()]
        if errors and not self._running and errors[0] is not None and all(errors):
            raise errors[0]

    def _idle(self) -> bool:
        return not self._running and all(lane.has_work() is False for lane in self._lanes.values())

    def _work(self, lane: Lane) -> None:
        with self._watchdog.watching() if self._watchdog is not None else nullcontext():
            result = lane.work()
        if result is not None:
            _tell(result)
            self._on_commit(result)

    def _collect(self) -> None:
        for partition, (lane, future) in list(self._running.items()):
            if not future.done():
                continue
            del self._running[partition]
            try:
                future.result()
            except SupersededError:
                self._superseded.set()
            except FencedError as error:
                _log.warning("claim_lost", partition=partition, epoch=lane.claim.epoch, offset=lane.claim.next_offset, error=str(error))
                if self._lanes.get(partition) is lane:
                    del self._lanes[partition]
                    hide_lag(partition)
            except TransientError:
                if not self._with.stop.is_set():
                    raise  # a lane waits out what passes by itself, unless it is stopped

    def _acquire(self) -> bool:
        """Claim what is free up to the fair share; say whether nothing was left to claim."""
        self._claim_due = self._with.clock.monotonic() + _CLAIM_EVERY_S
        try:
            claims = self._claims.acquire()
            for claim in claims:
                self._begin(claim)
            self._surplus = self._claims.surplus(len(self._lanes))
            if not self._lanes:
                self._with.log.offsets(0)  # no lane would notice that the log is another one
        except TransientError:
            return False
        return not claims

    def _begin(self, claim: Claim) -> None:
        lane = self._lanes[claim.partition] = Lane(claim, self._with)
        show_lag(claim.partition, partial(self._lag, lane))
        _log.info("claim_taken", partition=claim.partition, epoch=claim.epoch, offset=claim.next_offset, crashes=claim.crashes)
        self._with.at("after_claim")

    def _lag(self, lane: Lane) -> Lag | None:
        try:
            return lag_of(self._with.log, lane.claim.partition, lane.claim.next_offset, self._with.clock.now())
        except HeadcountError:  # whoever reads the metrics cannot mend it, and the lane meets it too
            return None

    def _release(self, claim: Claim) -> None:
        self._claims.release(claim)
        _log.info("claim_released", partition=claim.partition, epoch=claim.epoch, offset=claim.next_offset)

    def _give_surplus_back(self) -> None:
        """Release what a worker that joined has a right to."""
        between_batches = [partition for partition in self._lanes if partition not in self._running]
        with suppress(DatabaseUnavailableError):  # tried again at the next tick; a claim without a lane would lie idle
            for partition in between_batches[: self._surplus]:
                self._release(self._lanes[partition].claim)
                del self._lanes[partition]
                hide_lag(partition)
                self._surplus -= 1

    def _give_back(self) -> None:
        """Give back the partitions whose lanes have stopped."""
        PARTITIONS_HELD.set(0)
        for partition in self._lanes:
            hide_lag(partition)
        with suppress(
            DatabaseUnavailableError
        ):  # the claims lapse by themselves; asked for each, a database that is away would take minutes
            for partition, lane in self._lanes.items():
                if partition not in self._running:
                    self._release(lane.claim)

    def _renew(self, finished: threading.Event) -> None:
        failed = False
        while not finished.wait(self._with.settings.renew_s):
            try:
                self._claims.renew()
            except SupersededError as error:
                _log.warning("superseded", error=str(error))
                self._superseded.set()
                return
            except DatabaseUnavailableError as error:  # the fence refuses what a lapsed claim would write
                if not failed:
                    _log.warning("renewing_fails", error=str(error))
                failed = True
            else:
                if failed:
                    _log.warning("renewing_goes_on")
                failed = False


def _tell(result: BatchResult) -> None:
    """Count and log what was committed."""
    count_batch(result)
    for letter in result.dead_letters:
        camera = None if letter.camera_id is None else str(letter.camera_id)
        place = {"partition": letter.partition, "offset": letter.offset, "camera_id": camera}
        _log.warning("dead_letter", **place, session=letter.session, sequence=letter.sequence, reason=letter.reason)
    for gap in result.log_gaps:
        _log.warning("log_gap", partition=gap.partition, offset=gap.from_offset, to_offset=gap.to_offset, reason=gap.reason)
