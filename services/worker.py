"""`headcount worker`: workers alone, against any database and log: one in this process, or several under Ray."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import LogReplacedError
from pipeline.reopening import reopening
from pipeline.supervisor import Supervisor
from pipeline.watchdog import Watchdog
from services.brain import load_brain
from services.metrics import serve_metrics
from services.positions import showing_positions
from services.wiring import Told, make_crew, open_column, open_place, open_worker, settle
from services.working import Listener, is_done, is_replaced, lag_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from pipeline.settings import Settings
    from services.wiring import Column, Place

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
    serve_metrics(settings.metrics_port)
    with open_place(settings, notice, kept=True) as place:
        job = _Job(place=place, settings=settings, slot=slot, until_end=options.until_end, stop=stop, notice=notice)
        if options.address is None:
            _work_here(job)
        else:
            _work_in_cluster(job, None if options.address == LOCAL else options.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is to be done, where, and until when."""

    place: Place
    settings: Settings
    slot: str
    until_end: bool
    stop: threading.Event
    notice: Callable[[str], None]


def _work_here(job: _Job) -> None:
    """Run the loop in this process; one that hangs ends it."""
    drained = threading.Event()
    if job.until_end:
        drained.set()
    with closing(Watchdog(job.settings.hang_s)) as watchdog:

        def work() -> None:
            with (
                open_column(job.place, job.settings, writes_log=False) as column,
                showing_positions(column),
                open_worker(column, brain, job.stop, slot=job.slot, told=told) as worker,
            ):
                _stop_on_signal(job.stop, job.notice)
                job.notice(f"worker {job.slot} is ready")
                worker.run(until_end=drained)

        told = Told(notice=job.notice, watchdog=watchdog)
        brain = load_brain(job.settings, job.notice, lambda _: watchdog.beat(), watchdog.beat)
        reopening(work, job.stop, job.notice)


def _work_in_cluster(job: _Job, address: str | None) -> None:
    """Have Ray's actors run the loop, as many as the lag asks for; they open the log themselves."""
    listener = Listener(job.notice)

    def work() -> None:
        with open_column(job.place, job.settings, writes_log=False) as column, showing_positions(column):
            supervisor = Supervisor(crew, job.settings, slot=job.slot, clock=column.clock, tell=listener.tell, notice=job.notice)
            _supervise(supervisor, column, job)

    with make_crew(job.place, job.settings, address) as crew:
        _stop_on_signal(job.stop, job.notice)
        job.notice(f"workers {job.slot}-0 to {job.slot}-{job.settings.actors - 1} are starting")
        reopening(work, job.stop, job.notice)


def _supervise(supervisor: Supervisor, column: Column, job: _Job) -> None:
    """Keep the workers running until they are done.

    Raises:
        LogReplacedError: The log was made anew; the workers have ended in good order.
    """

    def done() -> bool:
        return job.stop.is_set() or is_replaced(column) or (job.until_end and is_done(column))

    supervisor.run(done, lambda: lag_s(column))
    if is_replaced(column) and not job.stop.is_set():
        raise LogReplacedError("the segment log was made anew")


def _stop_on_signal(stop: threading.Event, notice: Callable[[str], None]) -> None:
    def end(*_: object) -> None:
        notice("stopping in good order")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
