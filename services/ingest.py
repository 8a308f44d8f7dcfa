"""`headcount ingest`: cameras and recordings into the segment log, without analysing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.feed import Feeding, interruptible, register, usable_sources
from services.metrics import serve_metrics
from services.progress import RunProgress
from services.wiring import open_column, open_place

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.settings import Settings
    from services.feed import FeedOptions


def ingest(settings: Settings, options: FeedOptions, console: Console) -> int:
    """Carry the sources into the log until they end or the process is stopped; return the exit code.

    Raises:
        HeadcountError: The column cannot be used, or no source can.
    """

    def notice(message: str) -> None:
        console.print(message, markup=False)

    named, failures = usable_sources(options, settings)
    serve_metrics(settings.metrics_port)
    progress = RunProgress()
    with open_place(settings, notice, kept=True) as place, open_column(place, settings, writes_log=True) as column:
        feeding = Feeding(column, options, progress, notice)
        with interruptible(feeding, notice), feeding.running(register(column, named, options)):
            feeding.fed.wait()
    for failure in failures:
        notice(str(failure))
    notice(f"{progress.segments_cut} segments are in the log")
    return max((failure.exit_code for failure in [*failures, *feeding.failures]), default=0)
