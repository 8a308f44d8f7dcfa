"""`headcount hang`: a worker in memory with a lane that never ends, as a process that the test waits for."""

from __future__ import annotations

import threading

from pipeline.settings import Settings
from services.cli import app, main
from tests.workbench import Bench


@app.command()
def hang() -> None:
    """Hang at the first commit, then be told to stop."""
    bench = Bench(settings=Settings(stop_timeout_s=0.1)).fill(1)

    def on_point(point: str) -> None:
        if point == "before_commit":
            bench.stop.set()
            threading.Event().wait()

    bench.on_point = on_point
    bench.worker().run()


if __name__ == "__main__":
    main()
