"""What of a live camera is not in the log yet: handed over in memory, on disk while the log is away; imports its files, metrics, types."""

from __future__ import annotations

import errno
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from threading import Condition
from typing import TYPE_CHECKING

import structlog

from pipeline.errors import InvalidRecordError
from pipeline.metrics import show_spool, spool_dropped
from pipeline.spool_files import CameraFolder, FolderInUseError, SpoolFile, read
from pipeline.types import Segment, SegmentKind, to_us

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.ports import Clock
    from pipeline.types import Camera

_log = structlog.get_logger()

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_POLL_S = 0.1
_ENTRIES = 10
_HEAD_BYTES = 512  # at most, of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """Where the spools of a process lie, and what each camera's keeps to."""

    folder: Path  # holds a folder for each camera
    max_bytes: int  # of one camera's files
    max_age_s: float  # video on disk expires as that in the log does


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    """One record that is not acknowledged: in memory, in a file, or both while it is being sent."""

    session: int
    put_ms: int  # since the epoch
    gap: bool = False  # as far as is known
    segment: Segment | None = None  # None: in its file only
    file: SpoolFile | None = None  # None: in memory only


class Spool:
    """A first-in, first-out queue between the thread that reads a camera and the thread that sends, bounded in bytes and age.

    Where the sender keeps up, a record is handed over in memory. Where it does not, all that wait go to disk, and the oldest that is not
    being sent is dropped beyond the limit. Where the disk cannot be written, one record waits in memory beside the one that is being sent.
    """

    def __init__(
        self, camera: Camera, limits: SpoolLimits, clock: Clock, open_folder: Callable[[Path], CameraFolder] = CameraFolder
    ) -> None:
        self._camera = camera
        self._limits = limits
        self._clock = clock
        self._open_folder = open_folder
        self._changed = Condition()
        self._folder: CameraFolder | None = None
        self._waiting: deque[_Waiting] = deque()
        self._handed: _Waiting | None = None  # what the sender has: the first one
        self._bytes = 0  # on disk
        self._finished = False
        self._session = 0
        self._dropped = 0  # since it was empty
        self._told: set[str] = set()  # since it was empty

    def open(self, session: int) -> None:
        """Take the camera's folder, and what an ingest that was killed left there, each session with an END behind it.

        What is left is dropped where another process fed the camera meanwhile: both may have seen the same people.

        Args:
            session: That the camera's new lease gave.
        """
        with self._changed:
            self._session = session
            try:
                fed_by_us = self._enter_patiently()
            except OSError as error:
                self._tell_unwritable(error)
                return
            if fed_by_us:
                self._expire()
                self._end_sessions()
            else:
                self._drop_all("superseded")
            if self._waiting:
                _log.warning("spool_found", records=len(self._waiting), bytes=self._bytes)
            self._show()

    def put(self, segment: Segment) -> None:
        """Add a record; never waits for the log. For the thread that reads the camera."""
        with self._changed:
            self._expire()
            self._forget_gap()
            gap = segment.kind is SegmentKind.GAP
            self._waiting.append(_Waiting(session=segment.session, put_ms=self._now_ms(), gap=gap, segment=segment))
            if len(self._waiting) > 1:
                self._spill(kept=1)
            self._show()
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that nothing more will be put."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    @property
    def finished(self) -> bool:
        """Whether nothing more will be put."""
        return self._finished

    @property
    def drained(self) -> bool:
        """Whether nothing waits and nothing more will be put."""
        with self._changed:
            return self._finished and not self._waiting

    def head(self, timeout_s: float) -> Segment | None:
        """Return the oldest record, which stays until `done`; None where there is none within the time, or ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._finished, timeout_s)
            self._expire()
            while self._waiting:
                first = self._waiting[0]
                segment = first.segment or self._read(first)
                if segment is not None:
                    self._handed = first
                    return segment
            self._tell_if_empty()
            return None

    def wanted(self) -> bool:
        """Say whether what `head` returned is still to be sent: it may have become too old."""
        with self._changed:
            self._expire()
            return self._handed is not None

    def done(self) -> None:
        """Forget what `head` returned: it is acknowledged, or can never be."""
        with self._changed:
            if self._handed is not None:
                self._remove(self._handed)
            self._tell_if_empty()
            self._show()
            self._changed.notify_all()

    def wait_until_empty(self, give_up: Callable[[], bool]) -> None:
        """Wait until nothing waits; for a source that can wait, too."""
        with self._changed:
            while self._waiting and not give_up():
                self._changed.wait(_POLL_S)

    def discard(self, reason: str) -> None:
        """Drop all that waits."""
        with self._changed:
            self._drop_all(reason)
            self._show()

    def close(self) -> int:
        """Write what waits to disk, for the next start, and give the folder back; return how many records that are."""
        with self._changed:
            self._handed = None
            self._spill(kept=0)
            self._show()
            if self._folder is not None:
                self._folder.close()
                self._folder = None
            return len(self._waiting)

    def _enter_patiently(self) -> bool:
        """Enter; again where another process has the folder, which may only sweep it."""
        for _ in range(_ENTRIES - 1):
            with suppress(FolderInUseError):
                return self._enter()
            self._clock.sleep(_POLL_S)
        return self._enter()

    def _enter(self, *, empty: bool = False) -> bool:
        """Take the folder and what is in it; return whether no other process had the camera since that was written.

        Raises:
            OSError: It cannot be used, or is not empty where it should be.
        """
        folder = self._open_folder(self._limits.folder / str(self._camera.camera_id))
        try:
            last_session, files = folder.last_session(), folder.files()
            if empty and files:
                raise OSError(errno.EEXIST, "what an earlier ingest left lies there until the next start")  # noqa: TRY301 - as any other
            folder.note(self._session)
        except OSError:
            folder.close()
            raise
        self._folder = folder
        self._waiting.extend(_Waiting(session=file.session, put_ms=file.spooled_ms, file=file) for file in files)
        self._bytes = sum(file.size for file in files)
        return last_session == self._session - 1

    def _end_sessions(self) -> None:
        """Put an END behind each session that was left without one."""
        before, self._waiting = self._waiting, deque()
        for waiting in before:
            if self._waiting and self._waiting[-1].session != waiting.session:
                self._end_last()
            self._waiting.append(waiting)
        self._end_last()

    def _end_last(self) -> None:
        while self._waiting:
            last = self._waiting[-1]
            segment = self._read(last)
            if segment is not None:
                break
        else:
            return
        if segment.kind is not SegmentKind.END:
            self._waiting.append(_Waiting(session=segment.session, put_ms=last.put_ms, segment=end_after(segment)))

    def _read(self, waiting: _Waiting) -> Segment | None:
        """Return the segment of a file; where it cannot be used, drop it and return None."""
        assert waiting.file is not None, "what is not in memory is in a file"
        try:
            return read(waiting.file)
        except (InvalidRecordError, OSError):
            self._drop(waiting, "damaged")
            return None

    def _spill(self, *, kept: int) -> None:
        """Write what is in memory to disk; where that fails keep so many in memory, beside the one that is being sent."""
        for waiting in [waiting for waiting in self._waiting if waiting.file is None]:
            self._store(waiting)
        in_memory = [waiting for waiting in self._waiting if waiting.file is None and waiting is not self._handed]
        for waiting in in_memory[: len(in_memory) - kept]:
            self._drop(waiting, "disk")

    def _store(self, waiting: _Waiting) -> None:
        assert waiting.segment is not None, "what is not in a file is in memory"
        size = len(waiting.segment.payload) + _HEAD_BYTES
        self._free(self._bytes + size - self._limits.max_bytes, "full")
        if self._bytes + size > self._limits.max_bytes:
            return
        for _ in range(2):
            try:
                waiting.file = self._writable().write(waiting.segment, waiting.put_ms)
            except OSError as error:
                self._tell_unwritable(error)
                if error.errno not in _DISK_FULL or not self._free(len(waiting.segment.payload), "disk"):
                    return
            else:
                waiting.segment = None
                self._bytes += waiting.file.size
                return

    def _writable(self) -> CameraFolder:
        """Return the folder; take it now where that was not possible at the start.

        Raises:
            OSError: It is still not possible.
        """
        if self._folder is None:
            self._enter(empty=True)
        assert self._folder is not None, "what was entered is held"
        return self._folder

    def _free(self, size: int, reason: str) -> bool:
        """Drop the oldest files until so many bytes are free; return whether they are."""
        while size > 0:
            oldest = next((waiting for waiting in self._waiting if waiting.file is not None and waiting is not self._handed), None)
            if oldest is None or oldest.file is None:
                return False
            size -= oldest.file.size
            self._drop(oldest, reason)
        return True

    def _forget_gap(self) -> None:
        """A gap record at the end says nothing that the next record does not say as well."""
        if self._waiting:
            last = self._waiting[-1]
            if last.gap and last is not self._handed:
                self._remove(last)

    def _expire(self) -> None:
        oldest_ms = self._now_ms() - round(self._limits.max_age_s * 1000)
        old = takewhile(lambda waiting: waiting.put_ms < oldest_ms, self._waiting)
        for waiting in [waiting for waiting in old if waiting.file is not None]:  # memory keeps one for as long as it takes
            self._drop(waiting, "expired")

    def _drop_all(self, reason: str) -> None:
        while self._waiting:
            self._drop(self._waiting[0], reason)

    def _drop(self, waiting: _Waiting, reason: str) -> None:
        self._remove(waiting)
        self._dropped += 1
        spool_dropped(self._camera.name, reason)
        if reason not in self._told:
            self._told.add(reason)
            _log.warning("spool_dropped", reason=reason, session=waiting.session, records=len(self._waiting), bytes=self._bytes)

    def _remove(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        if waiting is self._handed:
            self._handed = None
        if waiting.file is not None:
            self._bytes -= waiting.file.size
            with suppress(OSError):  # it goes with the next start, or when it is swept
                waiting.file.path.unlink(missing_ok=True)

    def _tell_unwritable(self, error: OSError) -> None:
        if "unwritable" not in self._told:
            self._told.add("unwritable")
            _log.warning("spool_unwritable", folder=str(self._limits.folder), error=error.strerror or str(error))

    def _tell_if_empty(self) -> None:
        if not self._waiting and self._dropped:
            _log.warning("spool_empty", dropped=self._dropped)
            self._dropped = 0
            self._told.clear()

    def _show(self) -> None:
        show_spool(self._camera.name, records=len(self._waiting), size=self._bytes)

    def _now_ms(self) -> int:
        return to_us(self._clock.now()) // 1000


def end_after(last: Segment) -> Segment:
    """Return the record that ends the session of `last` where it ended."""
    return Segment(
        camera_id=last.camera_id, session=last.session, sequence=last.sequence + 1, kind=SegmentKind.END, captured_us=last.end_us
    )
