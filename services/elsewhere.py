"""The third way in which `headcount run` has its feed analysed: by workers that others keep running, such as the stack's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import TransientError
from pipeline.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from services.feed import Feed, Feeding
    from services.progress import RunProgress
    from services.wiring import Column
    from services.working import Working

_LOOK_S = 0.3
_SLOT = "elsewhere"


class Elsewhere:
    """Looks in the database how far others are with what this process feeds.

    Args:
        column: Where it is fed and stored.
        feeding: Says what becomes of the feed.
        feeds: What is fed.
        progress: Told what is stored.
        require_workers: Raises where nobody works any more.
    """

    def __init__(
        self, column: Column, feeding: Feeding, feeds: Sequence[Feed], progress: RunProgress, require_workers: Callable[[], None]
    ) -> None:
        self._column = column
        self._feeding = feeding
        self._feeds = feeds
        self._progress = progress
        self._require_workers = require_workers
        self._before = Health(incarnation=_SLOT, pid=0)
        self._ends: Mapping[int, int] | None = None

    def wait(self) -> None:
        """Wait until everything that was fed is stored, or the feeding says stop.

        Raises:
            HeadcountError: Nobody works any more.
        """
        while not self._is_done():
            self._require_workers()
            self._look()
            self._feeding.stop_work.wait(_LOOK_S)
        self._look()

    def begin(self) -> None:
        """Take note of what is stored of these cameras already."""
        self._before = self._column.patiently(self._stored)

    def _is_done(self) -> bool:
        if self._feeding.stop_work.is_set():
            return True
        if not self._feeding.fed.is_set():
            return False
        try:
            ends = self._ends = self._ends or self._fed_to()
            registry = self._column.registry()
            return all(registry.committed(partition) >= end for partition, end in ends.items())
        except TransientError:
            return False  # nobody can tell now

    def _fed_to(self) -> Mapping[int, int]:
        """Return where the partitions of what was fed end now; what others append later is not waited for."""
        partitions = {feed.camera.partition for feed in self._feeds}
        return {partition: self._column.log.offsets(partition).stop for partition in partitions}

    def _look(self) -> None:
        try:
            now = self._stored()
        except TransientError:
            return
        done = Health(
            incarnation=_SLOT,
            pid=0,
            segments=now.segments - self._before.segments,
            frames=now.frames - self._before.frames,
            faces=now.faces - self._before.faces,
            visits=now.visits - self._before.visits,
        )
        self._progress.tell(_SLOT, done)

    def _stored(self) -> Health:
        reader, cameras = self._column.report(), [feed.camera.camera_id for feed in self._feeds]
        totals = reader.totals(cameras)
        return Health(
            incarnation=_SLOT,
            pid=0,
            segments=totals.segments,
            frames=totals.frames_analysed,
            faces=totals.detections,
            visits=reader.count_visits(cameras),
        )


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
    watcher = Elsewhere(column, feeding, feeds, progress, require_workers)
    watcher.begin()
    yield watcher.wait
