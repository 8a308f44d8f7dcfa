"""The third way in which `headcount run` has its feed analysed: by workers that others keep running, such as the stack's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import TransientError
from pipeline.health import Health

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from services.feed import Feed, Feeding
    from services.progress import RunProgress
    from services.wiring import Column
    from services.working import Working

_LOOK_S = 0.3
_SLOT = "elsewhere"


class Work(Protocol):
    """What others do for some cameras; each call may raise `TransientError`."""

    def stored(self) -> Health:
        """Return the counts of what is stored of these cameras."""

    def ends(self) -> Mapping[int, int]:
        """Return where the partitions of these cameras end now."""

    def committed(self, partition: int) -> int:
        """Return up to where a partition is analysed and stored."""


class Elsewhere:
    """Waits for what others do with what this process feeds.

    Args:
        work: Of the others, for the cameras that are fed.
        fed: Set when nothing more will be fed.
        stop: Set where it is not to be waited for.
        tell: Told what was stored since the beginning.
        require_workers: Raises where nobody works any more.
    """

    def __init__(
        self,
        work: Work,
        *,
        fed: threading.Event,
        stop: threading.Event,
        tell: Callable[[Health], None],
        require_workers: Callable[[], None],
    ) -> None:
        self._work = work
        self._fed = fed
        self._stop = stop
        self._tell = tell
        self._require_workers = require_workers
        self._before = work.stored()
        self._ends: Mapping[int, int] | None = None  # what others append later is not waited for

    def wait(self) -> None:
        """Wait until everything that was fed is stored, or it is not to be waited for.

        Raises:
            HeadcountError: Nobody works any more.
        """
        while not self._is_done():
            self._require_workers()
            self._look()
            self._stop.wait(_LOOK_S)
        self._look()

    def _is_done(self) -> bool:
        if self._stop.is_set():
            return True
        if not self._fed.is_set():
            return False
        try:
            if self._ends is None:
                self._ends = self._work.ends()
            return all(self._work.committed(partition) >= end for partition, end in self._ends.items())
        except TransientError:
            return False  # nobody can tell now

    def _look(self) -> None:
        try:
            now = self._work.stored()
        except TransientError:
            return
        before = self._before
        since = Health(
            incarnation=_SLOT,
            pid=0,
            segments=now.segments - before.segments,
            frames=now.frames - before.frames,
            faces=now.faces - before.faces,
            visits=now.visits - before.visits,
        )
        self._tell(since)


class ColumnWork:
    """Implements `Work`: looks into the column."""

    def __init__(self, column: Column, feeds: Sequence[Feed]) -> None:
        self._column = column
        self._cameras = [feed.camera.camera_id for feed in feeds]
        self._partitions = {feed.camera.partition for feed in feeds}
        self._registry = column.registry()

    def stored(self) -> Health:
        """Return the counts (see `Work`)."""
        reader = self._column.report()
        totals = reader.totals(self._cameras)
        return Health(
            incarnation=_SLOT,
            pid=0,
            segments=totals.segments,
            frames=totals.frames_analysed,
            faces=totals.detections,
            visits=reader.count_visits(self._cameras),
        )

    def ends(self) -> Mapping[int, int]:
        """Return the ends (see `Work`)."""
        return {partition: self._column.log.offsets(partition).stop for partition in self._partitions}

    def committed(self, partition: int) -> int:
        """Return the position (see `Work`)."""
        return self._registry.committed(partition)


@contextmanager
def elsewhere(
    feeds: Sequence[Feed],
    require_workers: Callable[[], None],
    column: Column,
    feeding: Feeding,
    progress: RunProgress,
    notice: Callable[[str], None],
) -> Iterator[Working]:
    """Yield what waits until everything that is fed is stored, or the feeding says stop.

    Args:
        feeds: What is fed.
        require_workers: Raises where nobody works any more.
        column: Where it is fed and stored.
        feeding: The feeding of it.
        progress: Told what is stored.
        notice: Told who works.
    """
    notice("the stack's workers analyse it")

    def tell(done: Health) -> None:
        progress.tell(_SLOT, done)

    def make() -> Elsewhere:
        work = ColumnWork(column, feeds)
        return Elsewhere(work, fed=feeding.fed, stop=feeding.stop_work, tell=tell, require_workers=require_workers)

    yield column.patiently(make).wait
