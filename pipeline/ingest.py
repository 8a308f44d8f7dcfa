"""Carries a source's segments into the log: leased, in order, one unacknowledged; imports ports, records and errors."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import InvalidRecordError, TransientError
from pipeline.ports import SourcePosition
from pipeline.record import to_record
from pipeline.types import SegmentKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pipeline.ports import Clock, Lease, Registry, SegmentLog, SegmentSource
    from pipeline.types import Camera, Segment

T = TypeVar("T")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_ROOM_WAIT_S = 0.1
_RENEW_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOutcome:
    """What one call carried into the log."""

    session: int | None = None  # None: stopped before it began
    segments: int = 0  # with video
    bytes: int = 0
    refused: int = 0  # larger than the log carries
    finished: bool = False  # the session's END is in the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Feeds cameras into the log; one call of `run` per camera and thread."""

    log: SegmentLog
    registry: Registry
    clock: Clock
    stop: threading.Event  # a file is left where it is; a live source ends by itself, with its END
    uncommitted_max_bytes: int  # a source waits while more than this of its own is in the log and not yet analysed
    progress: Callable[[Segment], None] | None = None  # called after each acknowledged segment

    def run(self, source: SegmentSource, camera: Camera) -> IngestOutcome:
        """Carry the source into the camera's partition until it ends; go on after the last acknowledged sequence.

        Raises:
            SourceError: The source cannot be read any further.
            ConfigurationError: Another live process feeds this camera.
            FencedError: The lease was lost.
        """
        lease = self._patiently(lambda: self.registry.lease(camera, source.session))
        if lease is None:
            return IngestOutcome()
        try:
            return IngestOutcome(session=lease.session, finished=True) if lease.finished else self._carry(source, lease)
        finally:
            self._release(lease)

    def _carry(self, source: SegmentSource, lease: Lease) -> IngestOutcome:
        position = SourcePosition(camera_id=lease.camera.camera_id, session=lease.session, next_sequence=lease.next_sequence)
        backlog: deque[tuple[int, int]] = deque()  # (offset, bytes) of what may not be analysed yet
        segments = total = refused = 0
        for segment in source.segments(position):
            if (self.stop.is_set() and source.session is not None) or not self._wait_for_room(backlog, lease):
                break
            try:
                offset = self._send(segment, lease)
            except InvalidRecordError:
                refused += 1
                continue
            if offset is None:
                break
            backlog.append((offset, len(segment.payload)))
            segments, total = segments + (segment.kind is SegmentKind.GOP), total + len(segment.payload)
            if segment.kind is SegmentKind.END:
                return IngestOutcome(session=lease.session, segments=segments, bytes=total, refused=refused, finished=True)
        return IngestOutcome(session=lease.session, segments=segments, bytes=total, refused=refused)

    def _send(self, segment: Segment, lease: Lease) -> int | None:
        """Append and acknowledge; return the offset, or None when stopped before it was done."""
        record, partition = to_record(segment), lease.camera.partition
        offset = self._patiently(lambda: self.log.append(partition, record))
        if offset is None or self._patiently(lambda: self._acknowledge(lease, segment, offset)) is None:
            return None
        if self.progress is not None:
            self.progress(segment)
        return offset

    def _acknowledge(self, lease: Lease, segment: Segment, offset: int) -> bool:
        self.registry.acknowledge(lease, segment, offset)
        return True

    def _wait_for_room(self, backlog: deque[tuple[int, int]], lease: Lease) -> bool:
        """Wait until little enough is unanalysed, so that retention never takes what nobody has read; False when stopped."""
        renewed_s = self.clock.monotonic()
        while sum(size for _, size in backlog) > self.uncommitted_max_bytes:
            committed = self._patiently(lambda: self.registry.committed(lease.camera.partition))
            if committed is None:
                return False
            while backlog and backlog[0][0] < committed:
                backlog.popleft()
            if sum(size for _, size in backlog) <= self.uncommitted_max_bytes:
                return True
            if self.stop.is_set():
                return False
            self.clock.sleep(_ROOM_WAIT_S)
            if self.clock.monotonic() - renewed_s > _RENEW_S:
                renewed_s = self.clock.monotonic()
                self._patiently(lambda: self.registry.lease(lease.camera, lease.session))
        return True

    def _patiently(self, call: Callable[[], T]) -> T | None:
        """Try until the log or the database answers; None when stopped before."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return call()
            except TransientError:
                if self.stop.is_set():
                    return None
            self.clock.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)

    def _release(self, lease: Lease) -> None:
        try:
            self.registry.release(lease)
        except TransientError:
            return  # it lapses by itself
