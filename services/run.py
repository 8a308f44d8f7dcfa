"""`headcount run`: ingest and worker in one process, from sources to a report."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.adapters.camera import redact
from services.feed import Feeding, interruptible, register, usable_sources
from services.progress import RunProgress, shown
from services.report import RunReport
from services.wiring import load_brain, open_column, open_place, open_worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rich.console import Console

    from pipeline.errors import HeadcountError
    from pipeline.settings import Settings
    from services.feed import Feed, FeedOptions
    from services.wiring import Column


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


def run(settings: Settings, options: FeedOptions, console: Console, *, kept: bool) -> RunOutcome:
    """Feed the sources through the whole column and report what was committed.

    Args:
        settings: Of the column.
        options: What the user asked for.
        console: For notices and the live display; never for the report.
        kept: Keep rows and positions; else they go with the run.

    Raises:
        HeadcountError: The column cannot be used; a source that cannot is a failure in the outcome.
    """
    named, failures = usable_sources(options, settings)
    progress = RunProgress()
    lock = threading.RLock()  # a signal's handler may print in the middle of a print

    def notice(message: str) -> None:
        with lock:
            console.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)

    for failure in failures:
        notice(f"headcount: {failure}")
    brain = load_brain(settings, notice, progress.on_frame)
    with (
        open_place(settings, notice, kept=kept) as place,
        open_column(place, settings, writes_log=True) as column,
    ):
        feeds = register(column, named)
        feeding = Feeding(column, options, progress, notice)
        slot = f"run of {column.log.uid()}"
        began = time.monotonic()
        with (
            interruptible(feeding, notice),
            shown(progress, console),
            open_worker(column, brain, feeding.stop_work, slot=slot, notice=notice, on_commit=progress.on_commit) as worker,
            feeding.running(feeds, after_backlog=True),
        ):
            worker.run(until_end=feeding.fed)
        if not column.backlog():
            column.log.clear()
        report = _report(column, feeds, feeding.sessions)
        return RunOutcome(
            report=replace(report, elapsed_s=time.monotonic() - began, new_frames=progress.frames),
            failures=[*failures, *feeding.failures],
            interrupted=feeding.interrupted,
        )


def _report(column: Column, feeds: Sequence[Feed], sessions: Sequence[tuple[UUID, int]]) -> RunReport:
    reader = column.report()
    ids = [feed.camera.camera_id for feed in feeds]
    return RunReport(
        cameras=[(feed.camera, redact(feed.source.address)) for feed in feeds],
        visits=reader.visits(ids, sessions),
        totals=reader.totals(ids, sessions),
        kept=column.place.kept,
    )
