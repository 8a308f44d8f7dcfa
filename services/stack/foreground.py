"""The supervisor's process: brings a stack up, writes down how it does, and takes it down at SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.clock import SystemClock
from services.stack.leftovers import end_leftovers
from services.stack.parts import parts_of
from services.stack.plan import plan_of
from services.stack.processes import family, processes, send
from services.stack.publisher import Publisher
from services.stack.sources import file_of, shown
from services.stack.state import StackFolder
from services.stack.supervisor import Supervisor
from services.stack.task import ThreadTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.settings import Settings
    from services.source_list import ListedSource
    from services.stack.part import Say


class _Orders:
    """What signals have said: the first one ends the stack in good order, the second one at once."""

    def __init__(self) -> None:
        self.count = 0

    def stop(self) -> bool:
        """Say whether the stack is to end."""
        return self.count > 0

    def hurry(self) -> bool:
        """Say whether it is to end at once."""
        return self.count > 1

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs."""

        def hear(*_: object) -> None:
            self.count += 1

        before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def keep(settings: Settings, sources: Sequence[ListedSource], notice: Say) -> None:
    """Bring the stack up and keep it up until a signal comes; then everything that it has started is gone.

    Args:
        settings: Of the stack.
        sources: What its ingest feeds, with passwords; none: it has no ingest.
        notice: Told in a line what happens.

    Raises:
        ConfigurationError: It cannot be until the user changes something.
    """
    folder = StackFolder(settings.data_dir)
    folder.make()
    orders = _Orders()
    with folder.held(), orders.heard():
        try:
            folder.write_private(folder.sources, file_of(sources))
            for name in end_leftovers(folder.read()):
                notice(f"{name}: ended what an earlier supervisor had left")
            plan = plan_of(settings, has_sources=bool(sources))
            plan.require_free_ports()
            clock = SystemClock()
            publisher = Publisher(folder, plan, [shown(source) for source in sources], clock)
            supervisor = Supervisor(parts_of(plan, folder, notice), clock, ThreadTask, notice=notice, tell=publisher.tell)
            supervisor.run(orders.stop, orders.hurry)
        finally:
            _end_helpers()
            folder.forget()


def _end_helpers() -> None:
    """End what was being fetched or prepared: no part has a process any more."""
    me = os.getpid()
    send(signal.SIGKILL, [one for one in family(me, processes()) if one.identity.pid != me])
