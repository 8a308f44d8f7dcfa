"""`headcount hang`: a worker in memory with a lane that never ends, as a process that the test waits for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from services.cli import app, main
from services.logs import configure
from tests.fake_database import MemoryFacts
from tests.workbench import Bench

if TYPE_CHECKING:
    from pipeline.types import BatchResult, Claim

_ERRORS = {"none": None, "known": ConfigurationError("the model is broken"), "bug": ZeroDivisionError("a bug")}


class HangingFacts(MemoryFacts):
    """Hangs at partition 0's commit."""

    def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
        if claim.partition == 0:
            threading.Event().wait()
        return super().commit(claim, to_offset, result, stay_careful=stay_careful)


@app.command()
def hang(error: Annotated[str, typer.Argument()]) -> None:
    """Hang in partition 0; partition 1 ends the worker, with an error or without."""
    configure(Settings(log_level="error"))
    bench = Bench(partitions=2, settings=Settings(stop_timeout_s=0.1, lanes=2)).fill(1, 1)
    bench.facts = HangingFacts(bench.database)

    def on_point(point: str) -> None:
        if point == "after_commit":  # of partition 1
            if (raised := _ERRORS[error]) is not None:
                raise raised
            bench.stop.set()

    bench.on_point = on_point
    bench.worker().run()


if __name__ == "__main__":
    main()
