"""Every metric once, with what to do when it moves; imports nothing of ours."""

from __future__ import annotations

from enum import StrEnum
from time import perf_counter
from typing import Self

from prometheus_client import Counter


class Stage(StrEnum):
    """Where a worker's time goes; the stages do not overlap."""

    LOG = "log"  # reading records
    DEMUX = "demux"
    DECODE = "decode"
    SCALE = "scale"  # the detector's small picture
    DETECT = "detect"
    TRACK = "track"
    ALIGN = "align"  # windows, crops and their quality
    CLASSIFY = "classify"
    COMMIT = "commit"


VISIT_CONFLICTS = Counter(
    "headcount_visit_conflicts_total",
    "Visits that were already stored under their key and were left as they are. Expected 0: a log was read twice, or a fence failed.",
)
FENCED = Counter(
    "headcount_fenced_total",
    "Commits that were refused because another process holds the claim. Moves at take-overs; if it goes on, look for stalled workers.",
)
STAGE_SECONDS = Counter(
    "headcount_stage_seconds_total",
    "Seconds that threads of this process spent in a stage, waiting included. A stage whose share grows is where to look.",
    ["stage"],
)

_OF_STAGE = {stage: STAGE_SECONDS.labels(stage) for stage in Stage}


class timed:  # noqa: N801 - reads as a verb: `with timed(Stage.DECODE):`
    """Adds the time of a block to its stage, for about a microsecond a block. Nothing that is counted depends on it."""

    __slots__ = ("_began", "_seconds")

    def __init__(self, stage: Stage) -> None:
        self._seconds = _OF_STAGE[stage]

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds.inc(perf_counter() - self._began)
