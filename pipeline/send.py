"""Sends one segment of a session: into the log, then the registry knows; again until both have it. Imports ports, records, metrics."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from pipeline.errors import HeadcountError, InvalidRecordError, TransientError
from pipeline.metrics import REFUSED_SEGMENTS, count_ingested
from pipeline.record import to_record
from pipeline.types import Segment, SegmentKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports import Clock, Lease, Registry, SegmentLog

    GiveUp = Callable[[], bool]  # asked after each attempt that failed

T = TypeVar("T")
_log = structlog.get_logger()

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_RENEW_S = 2.0


@dataclass(slots=True, kw_only=True)
class IngestOutcome:
    """What one call carried into the log."""

    session: int | None = None  # None: it never had the camera
    segments: int = 0  # with video
    bytes: int = 0
    refused: int = 0  # larger than the log carries
    spooled: int = 0  # records that wait on disk for the next start
    finished: bool = False  # the session's END is in the log
    failure: HeadcountError | None = None  # why it ended before its time

    def count(self, segment: Segment, camera: str) -> None:
        """Count a segment that is acknowledged."""
        if segment.kind is SegmentKind.GOP:
            self.segments += 1
            count_ingested(camera, len(segment.payload), reconnected=segment.reconnected)
        self.bytes += len(segment.payload)
        if segment.session == self.session:
            self.finished = segment.kind is SegmentKind.END


class Renewal:
    """Keeps a camera while nothing of it is acknowledged. Used by one thread.

    Args:
        registry: Of the cameras.
        clock: Paces it.
        lease: That was just taken.
    """

    def __init__(self, registry: Registry, clock: Clock, lease: Lease) -> None:
        self._registry = registry
        self._clock = clock
        self._lease = lease
        self._renewed_s = clock.monotonic()

    def keep(self) -> None:
        """Renew the lease, every two seconds at most.

        Raises:
            CameraHeldError: Another process has taken the camera.
        """
        now_s = self._clock.monotonic()
        if now_s - self._renewed_s >= _RENEW_S:
            self._renewed_s = now_s
            with suppress(TransientError):  # the next one may be heard
                self._registry.lease(self._lease.camera, self._lease.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Appends segments and has them acknowledged. Safe to use from several threads, one a camera."""

    log: SegmentLog
    registry: Registry
    clock: Clock
    progress: Callable[[Segment], None] | None = None  # called after each acknowledged segment

    def send(self, segment: Segment, lease: Lease, give_up: GiveUp) -> int | None:
        """Append and acknowledge; return the offset, or None where it was given up before it was done.

        Raises:
            InvalidRecordError: The log carries none so large.
            FencedError: The lease was lost.
        """
        record, partition = to_record(replace(segment, decode=lease.camera.decode)), lease.camera.partition
        offset = self.patiently(lambda: self.log.append(partition, record), give_up)
        if offset is None or self.patiently(lambda: self._acknowledge(lease, segment, offset), give_up) is None:
            return None
        if self.progress is not None:
            self.progress(segment)
        return offset

    def patiently(self, call: Callable[[], T], give_up: GiveUp) -> T | None:
        """Try until the log or the database answers; None where it was given up before."""
        wait_s, waiting = _FIRST_WAIT_S, False
        while True:
            try:
                answer = call()
            except TransientError as error:
                if give_up():
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

    def _acknowledge(self, lease: Lease, segment: Segment, offset: int) -> bool:
        self.registry.acknowledge(lease, segment, offset)
        return True


def counted(send: Callable[[Segment, Lease], int | None], segment: Segment, lease: Lease, outcome: IngestOutcome) -> bool:
    """Send a segment and count it, also where the log refuses it; return False where it was given up before it was done."""
    try:
        if send(segment, lease) is None:
            return False
    except InvalidRecordError as error:
        outcome.refused += 1
        REFUSED_SEGMENTS.labels(lease.camera.name).inc()
        _log.warning("segment_refused", session=segment.session, sequence=segment.sequence, reason=error.reason)
        return True
    outcome.count(segment, lease.camera.name)
    return True
