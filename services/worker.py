"""`headcount worker`: a worker alone, against any database and log."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from services.wiring import load_brain, open_column, open_place, open_worker

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.settings import Settings


def work(settings: Settings, console: Console, *, slot: str | None, until_end: bool, metrics_port: int | None) -> None:
    """Analyse the log until SIGINT or SIGTERM, or with `until_end` until everything is analysed.

    Raises:
        HeadcountError: The column cannot be used, or a newer worker runs in this slot.
    """
    stop, drained = threading.Event(), threading.Event()
    if until_end:
        drained.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port is not None:
        start_http_server(metrics_port, addr="127.0.0.1")
    slot = slot or f"{socket.gethostname()}-{os.getpid()}"

    def notice(message: str) -> None:
        console.print(message, markup=False)

    brain = load_brain(settings, notice)
    with (
        open_place(settings, notice, kept=True) as place,
        open_column(place, settings, writes_log=False) as column,
        open_worker(column, brain, stop, slot=slot, notice=notice) as worker,
    ):
        notice(f"worker {slot} is ready")
        worker.run(until_end=drained)
