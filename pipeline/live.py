"""Carries a live camera into the log: one thread reads it, another sends, a spool is between them; imports both, ports and errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from pipeline.errors import CameraHeldError, FencedError, SourceError
from pipeline.ports import SourcePosition
from pipeline.send import Renewal, counted
from pipeline.spool import end_after

if TYPE_CHECKING:
    import threading
    from concurrent.futures import Future

    from pipeline.ports import Lease, SegmentSource
    from pipeline.send import GiveUp, IngestOutcome, Sender
    from pipeline.spool import Spool
    from pipeline.types import Segment

_LOOK_S = 2.0  # how often a camera of which nothing comes is renewed


class LiveIngest:
    """One live camera on its way into the log, for one lease.

    Args:
        sender: What sends.
        spool: The camera's.
        stop: Set when the source is to end; what waits then has `patience_s` from its end to be sent.
        patience_s: After it what waits stays on disk for the next start.
    """

    def __init__(self, sender: Sender, spool: Spool, stop: threading.Event, patience_s: float) -> None:
        self._sender = sender
        self._spool = spool
        self._stop = stop
        self._patience_s = patience_s
        self._ending_s: float | None = None  # since when nothing more comes and it is to stop

    def carry(self, source: SegmentSource, lease: Lease, outcome: IngestOutcome) -> None:
        """Carry what an earlier ingest left, and then the source, until it ends.

        Raises:
            SourceError: The source failed; what it gave before is in the log, with its END, or waits on disk.
            FencedError: The lease was lost; what waited is dropped.
        """
        self._spool.open(lease.session)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="send") as pool:
                sending = pool.submit(copy_context().run, self._send_all, lease, outcome)
                try:
                    failure = self._read(source, lease, sending)
                finally:
                    self._spool.finish()
            if isinstance(sending.exception(), FencedError | CameraHeldError):
                self._spool.discard("fenced")  # another process feeds the camera: both may have seen the same people
        finally:
            outcome.spooled = self._spool.close()
        sending.result()
        if failure is not None:
            raise failure

    def _read(self, source: SegmentSource, lease: Lease, sending: Future[None]) -> SourceError | None:
        """Put the source's records into the spool until it ends, or nobody sends any more; return why it failed."""
        position = SourcePosition(camera_id=lease.camera.camera_id, session=lease.session, next_sequence=lease.next_sequence)
        last: Segment | None = None
        try:
            for last in source.segments(position):
                if source.can_wait:
                    self._spool.wait_until_empty(lambda: self._stop.is_set() or sending.done())
                self._spool.put(last)
                if sending.done():
                    break
        except SourceError as error:
            if last is not None:  # open tracks become visits
                self._spool.put(end_after(last))
            return error
        return None

    def _send_all(self, lease: Lease, outcome: IngestOutcome) -> None:
        leases = {lease.session: lease}
        renewal = Renewal(self._sender.registry, self._sender.clock, lease)

        def give_up() -> bool:
            renewal.keep()
            return not self._spool.wanted() or self._time_is_up()

        while not self._time_is_up():
            segment = self._spool.head(_LOOK_S)
            if segment is not None:
                self._send(segment, leases, outcome, give_up)
            elif self._spool.drained:
                return
            else:
                renewal.keep()

    def _send(self, segment: Segment, leases: dict[int, Lease], outcome: IngestOutcome, give_up: GiveUp) -> None:
        """Send a record under its own session, unless the log has it; where it was given up it stays first, or is gone."""
        if segment.session not in leases:  # an earlier ingest left it
            (lease, *_) = leases.values()
            earlier = self._sender.patiently(lambda: self._sender.registry.lease(lease.camera, segment.session), give_up)
            if earlier is None:
                return
            leases[segment.session] = earlier
        own = leases[segment.session]
        known = own.finished or segment.sequence < own.next_sequence
        if known or counted(lambda one, its: self._sender.send(one, its, give_up), segment, own, outcome):
            self._spool.done()

    def _time_is_up(self) -> bool:
        if not (self._stop.is_set() and self._spool.finished):
            return False
        now_s = self._sender.clock.monotonic()
        if self._ending_s is None:
            self._ending_s = now_s
        return now_s - self._ending_s > self._patience_s
