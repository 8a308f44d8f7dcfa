"""Carries a source's segments into the log: leased, in order, one unacknowledged; imports ports, records, errors, metrics, the backlog."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from pipeline.errors import HeadcountError, InvalidRecordError, SourceError, TransientError
from pipeline.metrics import REFUSED_SEGMENTS, ROOM_WAIT_SECONDS, count_ingested
from pipeline.ports import SourcePosition
from pipeline.record import to_record
from pipeline.types import Segment, SegmentKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pipeline.backlog import Backlog
    from pipeline.ports import Clock, Lease, Registry, SegmentLog, SegmentSource
    from pipeline.types import Camera

T = TypeVar("T")
_log = structlog.get_logger()

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_ROOM_WAIT_S = 0.1
_RENEW_S = 2.0


@dataclass(slots=True, kw_only=True)
class IngestOutcome:
    """What one call carried into the log."""

    session: int | None = None  # None: it never had the camera
    segments: int = 0  # with video
    bytes: int = 0
    refused: int = 0  # larger than the log carries
    finished: bool = False  # the session's END is in the log
    failure: HeadcountError | None = None  # why it ended before its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Feeds cameras into the log; one call of `run` per camera and thread."""

    log: SegmentLog
    registry: Registry
    clock: Clock
    stop: threading.Event  # a file is left where it is; a live source ends by itself, with its END
    backlog: Backlog  # recordings wait while it is full; a camera cannot, and what would be counted of it might grow for ever
    progress: Callable[[Segment], None] | None = None  # called after each acknowledged segment

    def run(self, source: SegmentSource, camera: Camera) -> IngestOutcome:
        """Carry the source into the camera's partition until it ends; go on after the last acknowledged sequence.

        A source that fails and a lease that is lost on the way are the outcome's failure: what was carried before stands.

        Raises:
            ConfigurationError: Another live process feeds this camera.
        """
        with bound_contextvars(camera=camera.name, partition=camera.partition):  # also of what the source logs
            return self._run(source, camera)

    def _run(self, source: SegmentSource, camera: Camera) -> IngestOutcome:
        lease = self._patiently(lambda: self.registry.lease(camera, source.session))
        if lease is None:
            return IngestOutcome()
        outcome = IngestOutcome(session=lease.session, finished=lease.finished)
        _log.info("session_begun", session=lease.session, sequence=lease.next_sequence)
        try:
            if not lease.finished:
                self._carry(source, lease, outcome)
        except HeadcountError as error:
            outcome.failure = error
        finally:
            self._release(lease)
        _tell_end(lease, outcome)
        return outcome

    def _carry(self, source: SegmentSource, lease: Lease, outcome: IngestOutcome) -> None:
        position = SourcePosition(camera_id=lease.camera.camera_id, session=lease.session, next_sequence=lease.next_sequence)
        live = source.session is None
        send = self._send if live else self._send_when_there_is_room
        last: Segment | None = None
        try:
            for last in source.segments(position):
                if not _counted(send, last, lease, outcome):
                    return
        except SourceError:
            if live and last is not None:  # open tracks become visits; a file goes on in another run
                _counted(send, _end_after(last), lease, outcome)
            raise

    def _send_when_there_is_room(self, segment: Segment, lease: Lease) -> int | None:
        partition, size = lease.camera.partition, len(segment.payload)
        if self.stop.is_set() or not self._wait_for_room(size, lease):
            return None
        offset: int | None = None
        try:
            offset = self._send(segment, lease)
        finally:
            if offset is None:
                self.backlog.dropped(partition, size)
            else:
                self.backlog.appended(partition, size, offset)
        return offset

    def _send(self, segment: Segment, lease: Lease) -> int | None:
        """Append and acknowledge; return the offset, or None when stopped before it was done."""
        record, partition = to_record(replace(segment, decode=lease.camera.decode)), lease.camera.partition
        offset = self._patiently(lambda: self.log.append(partition, record))
        if offset is None or self._patiently(lambda: self._acknowledge(lease, segment, offset)) is None:
            return None
        if self.progress is not None:
            self.progress(segment)
        return offset

    def _acknowledge(self, lease: Lease, segment: Segment, offset: int) -> bool:
        self.registry.acknowledge(lease, segment, offset)
        return True

    def _wait_for_room(self, size: int, lease: Lease) -> bool:
        """Wait until little enough is unanalysed, so that retention never takes what nobody has read; False when stopped."""
        partition = lease.camera.partition
        renewed_s = self.clock.monotonic()
        while not self.backlog.hold(partition, size):
            committed = self._patiently(lambda: self.registry.committed(partition))
            if committed is None:
                return False
            if self.backlog.committed(partition, committed):
                continue
            if self.stop.is_set():
                return False
            self.clock.sleep(_ROOM_WAIT_S)
            ROOM_WAIT_SECONDS.labels(lease.camera.name).inc(_ROOM_WAIT_S)
            if self.clock.monotonic() - renewed_s > _RENEW_S:
                renewed_s = self.clock.monotonic()
                self._patiently(lambda: self.registry.lease(lease.camera, lease.session))
        return True

    def _patiently(self, call: Callable[[], T]) -> T | None:
        """Try until the log or the database answers; None when stopped before."""
        wait_s, waiting = _FIRST_WAIT_S, False
        while True:
            try:
                answer = call()
            except TransientError as error:
                if self.stop.is_set():
                    return None
                if not waiting:
                    _log.warning("waiting", error=str(error))
                waiting = True
            else:
                if waiting:
                    _log.warning("waiting_is_over")
                return answer
            self.clock.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)

    def _release(self, lease: Lease) -> None:
        try:
            self.registry.release(lease)
        except TransientError:
            return  # it lapses by itself


def _counted(send: Callable[[Segment, Lease], int | None], segment: Segment, lease: Lease, outcome: IngestOutcome) -> bool:
    """Send a segment and count it, also where the log refuses it; return False when stopped before it was done."""
    try:
        if send(segment, lease) is None:
            return False
    except InvalidRecordError as error:
        outcome.refused += 1
        REFUSED_SEGMENTS.labels(lease.camera.name).inc()
        _log.warning("segment_refused", session=segment.session, sequence=segment.sequence, reason=error.reason)
        return True
    if segment.kind is SegmentKind.GOP:
        outcome.segments += 1
        count_ingested(lease.camera.name, len(segment.payload), reconnected=segment.reconnected)
    outcome.bytes += len(segment.payload)
    outcome.finished = segment.kind is SegmentKind.END
    return True


def _tell_end(lease: Lease, outcome: IngestOutcome) -> None:
    failure = outcome.failure  # whoever called shows it
    reason = failure.kind if isinstance(failure, SourceError) else failure and type(failure).__name__
    fields = {"segments": outcome.segments, "finished": outcome.finished, "reason": reason, "error": failure and str(failure)}
    _log.info("session_ended", session=lease.session, **fields)


def _end_after(last: Segment) -> Segment:
    """Return the record that ends the session of `last` where it ended."""
    return Segment(
        camera_id=last.camera_id, session=last.session, sequence=last.sequence + 1, kind=SegmentKind.END, captured_us=last.end_us
    )
