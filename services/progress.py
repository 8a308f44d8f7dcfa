"""Counts what a run does, for the terminal; the numbers that are reported come from the database."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from pipeline.health import Health
    from pipeline.types import Segment

_RATE_WINDOW_S = 3.0
_REFRESH_S = 0.1


class RunProgress:
    """What has happened so far, in this process and in its workers'. Told from several threads."""

    def __init__(self) -> None:
        self.own = Vitals()  # of a worker in this process
        self._lock = threading.Lock()
        self._workers: dict[str, dict[str, Health]] = {}  # slot -> incarnation -> what it said last
        self._samples: deque[tuple[float, int]] = deque()  # (seconds, frames so far)
        self.segments_cut = 0

    def on_segment(self, segment: Segment) -> None:
        """A segment is in the log."""
        with self._lock:
            self.segments_cut += segment.frame_count > 0

    def tell(self, slot: str, health: Health) -> None:
        """A worker process says what it has done."""
        with self._lock:
            self._workers.setdefault(slot, {})[health.incarnation] = health

    @property
    def segments_done(self) -> int:
        """Segments that were analysed and stored."""
        return sum(health.segments for health in self._all())

    @property
    def frames(self) -> int:
        """Frames that were analysed."""
        return sum(health.frames for health in self._all())

    @property
    def faces(self) -> int:
        """Faces that were found in them."""
        return sum(health.faces for health in self._all())

    @property
    def visits(self) -> int:
        """Visits that were stored."""
        return sum(health.visits for health in self._all())

    @property
    def open_tracks(self) -> int:
        """Faces that are followed now."""
        return sum(health.open_tracks for health in self._living())

    def stage_s(self) -> Counter[str]:
        """Return where the time of all workers went, seconds by stage."""
        total: Counter[str] = Counter()
        for health in self._all():
            total.update(health.stage_s)
        return total

    def sample(self) -> float:
        """Return the frames per second of the last few seconds; call it at a steady pace."""
        now = time.monotonic()
        self._samples.append((now, self.frames))
        while self._samples[0][0] < now - _RATE_WINDOW_S:
            self._samples.popleft()
        (began, before), (_, frames) = self._samples[0], self._samples[-1]
        return (frames - before) / (now - began) if now > began else 0.0

    def _all(self) -> list[Health]:
        with self._lock:
            return [self.own.health(), *(health for slot in self._workers.values() for health in slot.values())]

    def _living(self) -> list[Health]:
        """Return the last incarnation of each slot."""
        with self._lock:
            return [self.own.health(), *(list(slot.values())[-1] for slot in self._workers.values())]

    def line(self) -> str:
        """Return the state in one line; what an earlier run left is done without having been cut by this one."""
        done = self.segments_done
        return (
            f"segments {done}/{max(done, self.segments_cut)}  {self.sample():.0f} frames/s  "
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
