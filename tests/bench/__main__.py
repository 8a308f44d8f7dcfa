"""Runs the benchmarks that are named, or all: `make bench`, `python -m tests.bench plumbing --repeats 5 --json figures.json`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from rich.console import Console

from pipeline.settings import load_settings
from services.logs import configure
from tests.bench.gate import gate
from tests.bench.ingest import ingest
from tests.bench.measure import machine, table, write_json
from tests.bench.memory import memory
from tests.bench.models import models
from tests.bench.pace import capacity, pace
from tests.bench.plumbing import plumbing
from tests.bench.processes import adopt_orphans
from tests.bench.production import production
from tests.bench.runtimes import runtimes
from tests.bench.setup import Setup
from tests.bench.stores import stores
from tests.bench.tutorial import tutorial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.measure import Figure

_WIDTH = 132
_LEAST_MINUTES = 0.5  # a shorter look says nothing of growth
_BENCHMARKS = {
    bench.__name__: bench for bench in (ingest, plumbing, production, tutorial, gate, memory, stores, runtimes, models, pace, capacity)
}


def main() -> None:
    """Measure, print and write after each benchmark."""
    options = _options()
    options.clips.mkdir(parents=True, exist_ok=True)
    setup = Setup(repeats=options.repeats, minutes=options.minutes, clips=options.clips)
    adopt_orphans()
    configure(load_settings())
    console, header = Console(highlight=False, width=_WIDTH), machine()
    console.print(", ".join(f"{name} {value}" for name, value in header.items() if name != "packages"), soft_wrap=True)
    results: dict[str, Sequence[Figure]] = {}
    for name in options.names or _BENCHMARKS:
        bench = _BENCHMARKS[name]
        results[name] = bench(setup)
        console.print(f"[bold]{name}[/bold]: {bench.__doc__}", soft_wrap=True)
        console.print(table(results[name]))
        if options.json:
            write_json(options.json, header, results)


def _options() -> argparse.Namespace:
    cache = platformdirs.user_cache_path("headcount") / "bench"
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks of Headcount; docs/benchmarks.md says of what.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_BENCHMARKS)}; none: all")
    parser.add_argument("--repeats", type=int, default=3, help="how often each thing is measured, in turn with the others (3)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long cameras are watched (5)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--clips", type=Path, default=cache, help="where the clips are kept (the user's cache)")
    options = parser.parse_args()
    unknown = set(options.names) - set(_BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(_BENCHMARKS)}")
    if options.repeats < 1 or options.minutes < _LEAST_MINUTES:
        parser.error(f"--repeats: at least 1; --minutes: at least {_LEAST_MINUTES}")
    return options


if __name__ == "__main__":
    main()
