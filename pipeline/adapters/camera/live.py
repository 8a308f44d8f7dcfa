"""Network cameras as sources of segments: connects, and connects again; imports metrics, the video package and its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import structlog

from pipeline.adapters.camera.address import redact
from pipeline.adapters.camera.connection import Connection
from pipeline.adapters.camera.live_rate import FrameRate
from pipeline.adapters.camera.recording import RecordingReader, paced, written
from pipeline.errors import SourceError
from pipeline.metrics import CAMERA_FAILURES, CAMERAS_ONLINE, CAPTURE_TIMES_REFUSED, CLOCK_CORRECTION_SECONDS
from pipeline.types import to_us
from pipeline.video.clock import FileClock, LiveClock
from pipeline.video.write import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pipeline.adapters.camera.options import SourceOptions
    from pipeline.ports import SourcePosition
    from pipeline.types import Segment

_log = structlog.get_logger()

_BACKOFF_S, _LONGEST_BACKOFF_S = 0.5, 30.0
_DOUBLINGS = 16  # a camera may be away for weeks
_QUIET_S = 20.0  # then open tracks may close
_FUTURE_US = 60_000_000
_KEPT_TIMES = 2  # the retention: once in the spool, once in the log
_FATAL = frozenset({"keyframe_interval_too_long", "clock_set"})


class LiveSource:
    """A camera, or a recording, behind a URL; its sessions are given by the lease."""

    session: int | None = None
    can_wait: bool = False  # True: the address leads to a recording

    def __init__(self, url: str, options: SourceOptions) -> None:
        self._url = url
        self._options = options
        self._clock = LiveClock()
        self._rate = FrameRate()
        self._connection: Connection | None = None
        self._corrected_us = 0  # of the clock's corrections, what was told
        self._online = False  # the present connection has sent video
        self._failed = False  # the last one failed or was lost
        self._quiet_s: float | None = None  # when the camera counts as quiet; None: nothing was sent since that was said

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        """Yield segments until the user stops or a recording ends, then an END record; one GAP record when the camera is quiet.

        Nothing where it was stopped before the first segment.

        Raises:
            SourceError: The first connection failed, the camera's keyframes are too far apart, or the machine's clock was set.
        """
        writer = SegmentWriter(position=position, clock=self._clock)
        failures = 0
        while not self._options.stop.is_set():
            before = writer.next_sequence
            try:
                if (yield from self._connect_and_read(writer)):
                    break
            except SourceError as error:
                self._tell_failure(error)
                if writer.end_us == 0 or error.kind in _FATAL:
                    raise
                self._options.notice(f"{error}; connecting again")
            failures = 0 if writer.next_sequence > before else failures + 1
            yield from self._pause(writer, failures)
            writer.reconnected = True
        if writer.end_us != 0:
            yield writer.end()

    def close(self) -> None:
        """Close the connection; only from the thread that reads it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect_and_read(self, writer: SegmentWriter) -> Generator[Segment, None, bool]:
        """Yield the segments of one connection; return whether there will be no other."""
        connection = self._connection = Connection(self._url, self._options, self._rate)
        try:
            self.can_wait = connection.finite
            if connection.finite:
                yield from self._recording(connection, writer)
                return True
            for segment in written(connection.runs(self._clock), writer):
                self._check_time(segment)
                self._quiet_s = self._options.clock.monotonic() + _QUIET_S
                self._tell_online()
                yield segment
        finally:
            CAMERAS_ONLINE.dec(self._online)
            self._online = False
            self.close()
        return self._options.stop.is_set()

    def _check_time(self, segment: Segment) -> None:
        """Refuse a segment of the future, or so old that nobody would have kept it: the host's clock was set, by much.

        Raises:
            SourceError: Within a session time only grows, so another one must begin.
        """
        age_us = to_us(self._options.clock.now()) - segment.captured_us
        if not -_FUTURE_US <= age_us <= _KEPT_TIMES * self._options.settings.retention_minutes * 60e6:
            CAPTURE_TIMES_REFUSED.inc()
            _log.warning("capture_time_refused", sequence=segment.sequence, age_s=age_us / 1e6)
            raise SourceError("clock_set", f"{redact(self._url)}: this machine's clock was set; the camera is begun anew")

    def _tell_online(self) -> None:
        """Tell that a segment came."""
        CLOCK_CORRECTION_SECONDS.inc((self._clock.corrected_us - self._corrected_us) / 1e6)
        self._corrected_us = self._clock.corrected_us
        if not self._online:
            (_log.warning if self._failed else _log.info)("camera_online")
            CAMERAS_ONLINE.inc()
            self._online, self._failed = True, False

    def _tell_failure(self, error: SourceError) -> None:
        """Tell why a connection failed or was lost; aloud only the first time."""
        (_log.info if self._failed else _log.warning)("camera_offline", reason=error.kind, error=str(error))
        CAMERA_FAILURES.labels(error.kind).inc()
        self._failed = True

    def _recording(self, connection: Connection, writer: SegmentWriter) -> Iterator[Segment]:
        writer.clock = FileClock(to_us(self._options.start or self._options.clock.now()))
        runs = RecordingReader(connection.container, redact(self._url), self._options).runs()
        for segment in paced(written(runs, writer), self._options):
            yield segment
            if self._options.stop.is_set():
                return
        if writer.next_sequence == 0:
            raise SourceError("not_a_video", f"{redact(self._url)}: no picture could be read")

    def _pause(self, writer: SegmentWriter, failures: int) -> Iterator[Segment]:
        """Wait before the next connection, longer after each failure; meanwhile say once that the camera has become quiet."""
        longer = 2 ** min(failures, _DOUBLINGS)
        backoff_s = min(_LONGEST_BACKOFF_S, _BACKOFF_S * longer) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter is no secret
        until_s = self._options.clock.monotonic() + backoff_s
        if self._quiet_s is not None and self._quiet_s <= until_s:
            self._options.sleep(self._quiet_s - self._options.clock.monotonic())
            if not self._options.stop.is_set():
                self._quiet_s = None
                yield self._gap(writer)
        self._options.sleep(until_s - self._options.clock.monotonic())

    def _gap(self, writer: SegmentWriter) -> Segment:
        # Not before what was sent, even where the host's clock was set back meanwhile.
        until_us = max(writer.end_us, to_us(self._options.clock.now()) - round(_QUIET_S * 1e6))
        self._clock.hold(until_us)
        return writer.gap(until_us)
