"""Carries a source's segments into the log: leased, in order, one unacknowledged; imports ports, errors, the backlog and what sends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bound_contextvars

from pipeline.errors import CameraHeldError, HeadcountError, SourceError, TransientError
from pipeline.live import LiveIngest
from pipeline.metrics import ROOM_WAIT_SECONDS
from pipeline.ports import SourcePosition
from pipeline.send import IngestOutcome, Renewal, Sender, counted
from pipeline.spool import Spool

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pipeline.backlog import Backlog
    from pipeline.ports import Clock, Lease, Registry, SegmentLog, SegmentSource
    from pipeline.send import GiveUp
    from pipeline.spool import SpoolLimits
    from pipeline.types import Camera, Segment

_log = structlog.get_logger()

_ROOM_WAIT_S = 0.1
_HELD_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Feeds cameras into the log; one call of `run` per camera and thread."""

    log: SegmentLog
    registry: Registry
    clock: Clock
    stop: threading.Event  # a file is left where it is; a live source ends by itself, with its END
    backlog: Backlog  # recordings wait while it is full; a camera cannot, and what would be counted of it might grow for ever
    spool: SpoolLimits  # of live cameras
    stop_timeout_s: float = 20.0  # so long after the stop a camera's spool is still sent
    held_patience_s: float = 0.0  # so long a camera that another process holds is waited for: that one may be dead
    progress: Callable[[Segment], None] | None = None  # called after each acknowledged segment

    def run(self, source: SegmentSource, camera: Camera) -> IngestOutcome:
        """Carry the source into the camera's partition until it ends; go on after the last acknowledged sequence.

        A source that fails and a lease that is lost on the way are the outcome's failure: what was carried before stands.

        Raises:
            CameraHeldError: Another live process feeds this camera.
        """
        with bound_contextvars(camera=camera.name, partition=camera.partition):  # also of what the source logs
            return self._run(source, camera)

    def _run(self, source: SegmentSource, camera: Camera) -> IngestOutcome:
        lease = self._lease(source, camera)
        if lease is None:
            return IngestOutcome()
        outcome = IngestOutcome(session=lease.session, finished=lease.finished)
        _log.info("session_begun", session=lease.session, sequence=lease.next_sequence)
        try:
            if source.session is None:
                spool = Spool(camera, self.spool, self.clock)
                LiveIngest(self._sender(), spool, self.stop, self.stop_timeout_s).carry(source, lease, outcome)
            elif not lease.finished:
                self._carry(source, lease, outcome)
        except HeadcountError as error:
            outcome.failure = error
        finally:
            self._release(lease)
        _tell_end(lease, outcome)
        return outcome

    def _sender(self) -> Sender:
        return Sender(log=self.log, registry=self.registry, clock=self.clock, progress=self.progress)

    def _lease(self, source: SegmentSource, camera: Camera) -> Lease | None:
        until_s, told = self.clock.monotonic() + self.held_patience_s, False
        while True:
            try:
                return self._sender().patiently(lambda: self.registry.lease(camera, source.session), self.stop.is_set)
            except CameraHeldError as error:
                if self.stop.is_set() or self.clock.monotonic() >= until_s:
                    raise
                if not told:
                    _log.warning("camera_held", error=str(error))
                told = True
            self.clock.sleep(_HELD_WAIT_S)

    def _carry(self, source: SegmentSource, lease: Lease, outcome: IngestOutcome) -> None:
        position = SourcePosition(camera_id=lease.camera.camera_id, session=lease.session, next_sequence=lease.next_sequence)
        renewal = Renewal(self.registry, self.clock, lease)

        def give_up() -> bool:
            renewal.keep()
            return self.stop.is_set()

        for segment in source.segments(position):
            if not counted(partial(self._send_when_there_is_room, give_up), segment, lease, outcome):
                return

    def _send_when_there_is_room(self, give_up: GiveUp, segment: Segment, lease: Lease) -> int | None:
        partition, size = lease.camera.partition, len(segment.payload)
        if self.stop.is_set() or not self._wait_for_room(size, lease.camera, give_up):
            return None
        offset: int | None = None
        try:
            offset = self._sender().send(segment, lease, give_up)
        finally:
            if offset is None:
                self.backlog.dropped(partition, size)
            else:
                self.backlog.appended(partition, size, offset)
        return offset

    def _wait_for_room(self, size: int, camera: Camera, give_up: GiveUp) -> bool:
        """Wait until little enough is unanalysed, so that retention never takes what nobody has read; False when stopped."""
        partition, sender = camera.partition, self._sender()
        while not self.backlog.hold(partition, size):
            committed = sender.patiently(lambda: self.registry.committed(partition), give_up)
            if committed is None:
                return False
            if self.backlog.committed(partition, committed):
                continue
            if give_up():
                return False
            self.clock.sleep(_ROOM_WAIT_S)
            ROOM_WAIT_SECONDS.labels(camera.name).inc(_ROOM_WAIT_S)
        return True

    def _release(self, lease: Lease) -> None:
        try:
            self.registry.release(lease)
        except TransientError:
            return  # it lapses by itself


def _tell_end(lease: Lease, outcome: IngestOutcome) -> None:
    failure = outcome.failure  # whoever called shows it
    reason = failure.kind if isinstance(failure, SourceError) else failure and type(failure).__name__
    fields = {"segments": outcome.segments, "finished": outcome.finished, "spooled": outcome.spooled}
    _log.info("session_ended", session=lease.session, **fields, reason=reason, error=failure and str(failure))
