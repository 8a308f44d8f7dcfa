"""`headcount worker`: workers alone, against any database and log: one in this process, or several under Ray."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.supervisor import Supervisor
from pipeline.watchdog import Watchdog
from services.metrics import serve_metrics
from services.wiring import Told, load_brain, make_crew, open_column, open_place, open_worker, settle
from services.working import Listener, is_done, lag_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from pipeline.settings import Settings
    from services.wiring import Column

LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """How workers work."""

    slot: str | None = None  # None: host and process
    until_end: bool = False  # end when everything in the log is analysed
    address: str | None = None  # of a Ray cluster, or "local": one of our own; None: the loop runs in this process


def work(settings: Settings, console: Console, options: WorkOptions) -> None:
    """Analyse the log until SIGINT or SIGTERM, or until everything is analysed.

    Raises:
        HeadcountError: The column cannot be used, or a newer worker runs in this slot.
    """
    stop = threading.Event()
    slot = options.slot or f"{socket.gethostname()}-{os.getpid()}"

    def notice(message: str) -> None:
        console.print(message, markup=False, soft_wrap=True)

    settings = settle(settings, notice)
    with (
        open_place(settings, notice, kept=True) as place,
        open_column(place, settings, writes_log=False) as column,
    ):
        if options.address is None:
            _work_here(column, stop, slot, notice, options)
        else:
            _work_in_cluster(column, stop, slot, notice, options)


def _work_here(column: Column, stop: threading.Event, slot: str, notice: Callable[[str], None], options: WorkOptions) -> None:
    """Run the loop in this process; one that hangs ends it."""
    drained = threading.Event()
    if options.until_end:
        drained.set()
    serve_metrics(column.settings.metrics_port)
    with closing(Watchdog(column.settings.hang_s)) as watchdog:
        brain = load_brain(column.settings, notice, lambda _: watchdog.beat())
        with open_worker(column, brain, stop, slot=slot, told=Told(notice=notice, watchdog=watchdog)) as worker:
            _stop_on_signal(stop, notice)
            notice(f"worker {slot} is ready")
            worker.run(until_end=drained)


def _work_in_cluster(column: Column, stop: threading.Event, slot: str, notice: Callable[[str], None], options: WorkOptions) -> None:
    """Have Ray's actors run the loop, as many as the lag asks for."""
    serve_metrics(column.settings.metrics_port)
    address = None if options.address == LOCAL else options.address
    with make_crew(column.place, column.settings, address) as crew:
        _stop_on_signal(stop, notice)
        listener = Listener(notice)
        supervisor = Supervisor(crew, column.settings, slot=slot, clock=column.clock, tell=listener.tell, notice=notice)
        notice(f"workers {slot}-0 to {slot}-{column.settings.actors - 1} are starting")
        supervisor.run(lambda: stop.is_set() or (options.until_end and is_done(column)), lambda: lag_s(column))


def _stop_on_signal(stop: threading.Event, notice: Callable[[str], None]) -> None:
    def end(*_: object) -> None:
        notice("stopping in good order")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
