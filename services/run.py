"""`headcount run`: ingest, and workers beside it, from sources to a report."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.adapters.camera import redact
from pipeline.errors import LogReplacedError, LogUnavailableError
from services.elsewhere import elsewhere
from services.feed import Feeding, interruptible, register, usable_sources
from services.metrics import serve_metrics
from services.profile import profile_table
from services.progress import RunProgress, shown
from services.report import RunReport
from services.wiring import lanes_of, open_column, open_place, settle
from services.working import in_this_process, with_ray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from rich.console import Console

    from pipeline.errors import HeadcountError
    from pipeline.settings import Settings
    from services.feed import Feed, FeedOptions
    from services.wiring import Column
    from services.working import Working

    WayOfWorking = Callable[[Column, Feeding, RunProgress, Callable[[str], None]], AbstractContextManager[Working]]


@dataclass(slots=True, kw_only=True)
class RunOutcome:
    """What a run came to."""

    report: RunReport
    failures: list[HeadcountError] = field(default_factory=list)  # sources that could not be used; the others were
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0, or 2 where the user must mend something, or 1 where the machine failed."""
        return max((failure.exit_code for failure in self.failures), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run works, apart from what it counts."""

    kept: bool  # keep rows and positions; else they go with the run
    profile: bool = False  # say at the end where the time went
    require_workers: Callable[[], None] | None = None  # others work, the stack's: raises where they do not; None: this run works


def run(settings: Settings, feed: FeedOptions, console: Console, options: RunOptions) -> RunOutcome:
    """Feed the sources through the whole column and report what was committed.

    Args:
        settings: Of the column.
        feed: What the user wants counted.
        console: For notices and the live display; never for the report.
        options: How.

    Raises:
        HeadcountError: The column cannot be used; a source that cannot is a failure in the outcome.
    """
    named, failures = usable_sources(feed, settings)
    progress = RunProgress()
    notice = _printer(console)
    for failure in failures:
        notice(f"headcount: {failure}")
    works = options.require_workers is None
    if works:
        settings = settle(settings, notice)
    serve_metrics(settings.metrics_port)
    with (
        open_place(settings, notice, kept=options.kept) as place,
        open_column(place, settings, writes_log=True) as column,
    ):
        feeds = register(column, named, feed)
        feeding = Feeding(column, feed, progress, notice)
        working = _way_of_working(settings, feeds, options)
        with working(column, feeding, progress, notice) as work:
            began = time.monotonic()
            with interruptible(feeding, notice), shown(progress, console), feeding.running(feeds, after_backlog=works):
                work()
            elapsed_s = time.monotonic() - began
        with suppress(LogUnavailableError, LogReplacedError):  # the report does not need the log, and video expires by itself
            if works and not column.patiently(column.backlog):
                column.clear()
        if options.profile:
            lanes = min(lanes_of(settings), len({feed.camera.partition for feed in feeds}))
            console.print(profile_table(progress.stage_s(), elapsed_s, lanes))
        report = column.patiently(lambda: _report(column, feeds, feeding.sessions))
        return RunOutcome(
            report=replace(report, elapsed_s=elapsed_s, new_frames=progress.frames),
            failures=[*failures, *feeding.failures],
            interrupted=feeding.interrupted,
        )


def _way_of_working(settings: Settings, feeds: Sequence[Feed], options: RunOptions) -> WayOfWorking:
    if options.require_workers is not None:
        return partial(elsewhere, feeds, options.require_workers)
    return with_ray if settings.ray else in_this_process


def _printer(console: Console) -> Callable[[str], None]:
    """Return what prints a line, from any thread."""
    lock = threading.RLock()  # a signal's handler may print in the middle of a print

    def notice(message: str) -> None:
        with lock:
            console.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)

    return notice


def _report(column: Column, feeds: Sequence[Feed], sessions: Sequence[tuple[UUID, int]]) -> RunReport:
    reader = column.report()
    ids = [feed.camera.camera_id for feed in feeds]
    return RunReport(
        cameras=[(feed.camera, redact(feed.source.address)) for feed in feeds],
        visits=reader.visits(ids, sessions),
        totals=reader.totals(ids, sessions),
        kept=column.place.kept,
    )
