"""Counts what a run does, for the terminal; the numbers that are reported come from the database."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rich.console import Console

    from pipeline.types import BatchResult, Segment
    from pipeline.watch import FrameTrace

_RATE_WINDOW_S = 3.0
_REFRESH_S = 0.1


class RunProgress:
    """What has happened so far. Told from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frame_times: deque[float] = deque(maxlen=512)
        self._open_tracks: dict[UUID, int] = {}
        self.segments_cut = 0
        self.segments_done = 0
        self.frames = 0
        self.faces = 0
        self.visits = 0

    def on_segment(self, segment: Segment) -> None:
        """A segment is in the log."""
        with self._lock:
            self.segments_cut += segment.frame_count > 0

    def on_frame(self, trace: FrameTrace) -> None:
        """A frame was analysed."""
        with self._lock:
            self.frames += 1
            self.faces += len(trace.detections)
            self._open_tracks[trace.camera_id] = trace.open_tracks
            self._frame_times.append(time.monotonic())

    def on_commit(self, result: BatchResult) -> None:
        """A batch was committed."""
        with self._lock:
            self.visits += len(result.visits)
            self.segments_done += sum(minute.segments for minute in result.coverage)
            for camera_id, state in result.states.items():
                if state is None:
                    self._open_tracks.pop(camera_id, None)

    @property
    def frames_per_s(self) -> float:
        """Analysed frames per second of the last few seconds."""
        with self._lock:
            now = time.monotonic()
            recent = [instant for instant in self._frame_times if instant > now - _RATE_WINDOW_S]
            return len(recent) / (now - recent[0]) if len(recent) > 1 else 0.0

    @property
    def open_tracks(self) -> int:
        """Faces that are followed now."""
        with self._lock:
            return sum(self._open_tracks.values())

    def line(self) -> str:
        """Return the state in one line."""
        return (
            f"segments {self.segments_done}/{self.segments_cut}  {self.frames_per_s:.0f} frames/s  "
            f"faces {self.faces}  open tracks {self.open_tracks}  visits {self.visits}"
        )


@contextmanager
def shown(progress: RunProgress, console: Console) -> Iterator[None]:
    """Show the progress live while the block runs; nothing where the console is no terminal."""
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(progress.line(), total=None)
        finished = threading.Event()

        def refresh() -> None:
            while not finished.wait(_REFRESH_S):
                total = progress.segments_cut or None
                bar.update(task, description=progress.line(), total=total, completed=progress.segments_done)

        painter = threading.Thread(target=refresh, name="progress", daemon=True)
        painter.start()
        try:
            yield
        finally:
            finished.set()
            painter.join()
