"""The two ways in which `headcount run` analyses what it feeds: workers under Ray, or one in this process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import HeadcountError, LogReplacedError, TransientError
from pipeline.supervisor import Supervisor
from services.brain import load_brain
from services.wiring import Told, make_crew, open_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.health import Health
    from services.feed import Feeding
    from services.progress import RunProgress
    from services.wiring import Column

    Working = Callable[[], None]


class Listener:
    """Hears what workers say of themselves; passes each of their lines on once, however many of them say it.

    Args:
        notice: Told the lines.
        tell: Told everything.
    """

    def __init__(self, notice: Callable[[str], None], tell: Callable[[str, Health], None] = lambda *_: None) -> None:
        self._notice = notice
        self._tell = tell
        self._heard: set[str] = set()

    def tell(self, slot: str, health: Health) -> None:
        """A worker says what it has done."""
        self._tell(slot, health)
        for line in health.notices:
            if line not in self._heard:
                self._heard.add(line)
                self._notice(line)


@contextmanager
def in_this_process(column: Column, feeding: Feeding, progress: RunProgress, notice: Callable[[str], None]) -> Iterator[Working]:
    """Yield what works until everything that is fed is analysed, or the feeding says stop."""
    own = progress.own
    brain = load_brain(column.settings, notice, own.on_frame)
    told = Told(notice=notice, on_commit=own.on_commit)
    with open_worker(column, brain, feeding.stop_work, slot=_slot(column), told=told) as worker:
        yield lambda: worker.run(until_end=feeding.fed)


@contextmanager
def with_ray(column: Column, feeding: Feeding, progress: RunProgress, notice: Callable[[str], None]) -> Iterator[Working]:
    """Yield what has Ray's actors work until everything that is fed is analysed, or the feeding says stop."""
    listener = Listener(notice, progress.tell)

    def done() -> bool:
        return feeding.stop_work.is_set() or (feeding.fed.is_set() and is_done(column))

    notice(f"workers under Ray: {column.settings.actors} (--no-ray works in this process)")
    with make_crew(column.place, column.settings, address=None) as crew:
        supervisor = Supervisor(crew, column.settings, slot=_slot(column), clock=column.clock, tell=listener.tell, notice=notice)
        yield lambda: supervisor.run(done, lambda: lag_s(column))


def is_done(column: Column) -> bool:
    """Say whether everything in the log is analysed and stored; what cannot be known now is not done."""
    try:
        return not column.backlog()
    except TransientError:
        return False


def is_replaced(column: Column) -> bool:
    """Say whether the log is known to be another one by now."""
    try:
        column.log.offsets(0)
    except HeadcountError as error:  # the others the workers meet, and say so
        return isinstance(error, LogReplacedError)
    return False


def lag_s(column: Column) -> float:
    """Return how long the oldest record has waited, seconds; 0 where that cannot be known now."""
    try:
        return max((lag.seconds for lag in column.lags()), default=0.0)
    except (TransientError, LogReplacedError):  # that it was replaced ends the work, in good order
        return 0.0


def _slot(column: Column) -> str:
    """Return a name that no run on another log has, and that people can read."""
    return f"run-{column.log.uid().rpartition(':')[2][:8]}"
