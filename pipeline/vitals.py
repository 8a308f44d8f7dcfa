"""Counts what a worker does, for its display and for whoever watches it; imports health, metrics, types and watch."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from uuid import uuid4

from pipeline.health import Health
from pipeline.metrics import stage_seconds

if TYPE_CHECKING:
    from uuid import UUID

    from pipeline.types import BatchResult
    from pipeline.watch import FrameTrace

_NOTICES_KEPT = 100


class Vitals:
    """What a worker has done so far. Told from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._incarnation = uuid4().hex
        self._segments = self._frames = self._faces = self._visits = 0
        self._open_tracks: dict[UUID, int] = {}
        self._notices: list[str] = []
        self._failure: str | None = None
        self._ended = False

    def on_frame(self, trace: FrameTrace) -> None:
        """A frame was analysed."""
        with self._lock:
            self._frames += 1
            self._open_tracks[trace.camera_id] = trace.open_tracks

    def on_commit(self, result: BatchResult) -> None:
        """A batch was committed."""
        with self._lock:
            self._visits += len(result.visits)
            self._segments += sum(minute.segments for minute in result.coverage)
            self._faces += sum(minute.detections for minute in result.coverage)
            for camera_id, state in result.states.items():
                if state is None:
                    self._open_tracks.pop(camera_id, None)

    def notice(self, message: str) -> None:
        """Keep a line for the user."""
        with self._lock:
            self._notices = [*self._notices, message][-_NOTICES_KEPT:]

    def fail(self, reason: str) -> None:
        """The worker cannot work until the user changes something."""
        with self._lock:
            self._failure, self._ended = reason, True

    def end(self) -> None:
        """The worker has ended in good order."""
        with self._lock:
            self._ended = True

    def health(self) -> Health:
        """Return the counts."""
        with self._lock:
            return Health(
                incarnation=self._incarnation,
                pid=os.getpid(),
                segments=self._segments,
                frames=self._frames,
                faces=self._faces,
                visits=self._visits,
                open_tracks=sum(self._open_tracks.values()),
                notices=tuple(self._notices),
                stage_s=stage_seconds(),
                failure=self._failure,
                ended=self._ended,
            )
