"""What the gate saves where nobody is, and what it costs where many are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.column import WAYS, analyse, open_site
from tests.bench.material import busy, empty
from tests.bench.measure import Figure, alternately, count, cpu, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.bench.column import Site
    from tests.bench.measure import Cost
    from tests.bench.setup import Setup

_SECONDS = 60


def gate(setup: Setup) -> list[Figure]:
    """A second of one 1080p camera, analysed in one process on one core: empty and busy, by HEADCOUNT_DECODE."""
    scenes = {"empty": empty(setup.clips, _SECONDS), "busy": busy(setup.clips, _SECONDS)}
    work: dict[str, Mapping[str, int]] = {}
    with open_site() as site:
        actions = {
            f"{scene}, {decode}": _action(site, clip, decode, f"{scene}, {decode}", work)
            for scene, clip in scenes.items()
            for decode in ("all", "gated", "keyframes")
        }
        costs = alternately(setup.repeats, actions)
    found = {name: cpu(f"{name}: a second of video", costs[name], unit="ms", scale=1000.0) for name in costs}
    figures = list(found.values())
    for scene in scenes:
        figures += [
            ratio(f"{scene}, {decode} : all, CPU", found[f"{scene}, {decode}"], found[f"{scene}, all"]) for decode in ("gated", "keyframes")
        ]
    figures.append(ratio("empty, gated : busy, all, CPU", found["empty, gated"], found["busy, all"]))
    what = ("frames_decoded", "frames_analysed", "detections", "visits")
    return figures + [count(f"{name}: {counter}", work[name][counter]) for name in work for counter in what]


def _action(site: Site, clip: Path, decode: str, name: str, work: dict[str, Mapping[str, int]]) -> Callable[[], Cost]:
    def measure() -> Cost:
        analysed = analyse(site, [clip], *WAYS["in one process"], cores=1, decode=decode)
        work[name] = analysed.work
        return analysed.analysis.per(_SECONDS)

    return measure
