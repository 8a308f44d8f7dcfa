"""`headcount ingest`: cameras and recordings into the segment log, without analysing them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.reopening import reopening
from services.feed import Feeding, interruptible, register, usable_sources
from services.metrics import serve_metrics
from services.progress import RunProgress
from services.slot import held_slot
from services.wiring import open_column, open_place

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.errors import HeadcountError
    from pipeline.settings import Settings
    from services.feed import FeedOptions


def ingest(settings: Settings, options: FeedOptions, console: Console) -> int:
    """Carry the sources into the log until they end or the process is stopped, again where the log is made anew; return the exit code.

    Raises:
        HeadcountError: The column cannot be used, or no source can.
    """

    def notice(message: str) -> None:
        console.print(message, markup=False)

    named, unusable = usable_sources(options, settings)
    serve_metrics(settings.metrics_port)
    progress, stop = RunProgress(), threading.Event()
    failures: list[HeadcountError] = []
    with held_slot(settings.data_dir, options.slot), open_place(settings, notice, kept=True) as place:

        def feed() -> None:
            with open_column(place, settings, writes_log=True) as column:
                feeding = Feeding(column, options, progress, notice)
                with interruptible(feeding, notice), feeding.running(register(column, named, options)):
                    feeding.fed.wait()
            if feeding.interrupted:
                stop.set()
            if feeding.replaced is not None:
                raise feeding.replaced
            failures.extend(feeding.failures)

        reopening(feed, stop, notice)
    for failure in unusable:
        notice(str(failure))
    notice(f"{progress.segments_cut} segments are in the log")
    return max((failure.exit_code for failure in [*unusable, *failures]), default=0)
