"""What the figures say about where a model may be relied on; the card states it, and the serving gate keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from training.evaluation.intervals import Figure
    from training.evaluation.report import Report, Section

MAY_LOSE = 0.05
"""What gender and the share of ages at most one group off may lose at a face size, against faces as they are."""
_MEASURES = ("gender_accuracy", "groups_one_off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakest:
    """The subset that a figure is worst of."""

    name: str
    n: int
    figure: Figure


def smallest_face_px(reports: Iterable[Report]) -> int | None:
    """Return the least height of a face, pixels, down to which no report shows a larger loss than `MAY_LOSE`; None: not measured."""
    found = [_smallest_face_px(report) for report in reports if report.by_size]
    return max(found) if found else None


def least_quality(reports: Iterable[Report]) -> float | None:
    """Return the crop quality down to which no report shows a larger loss than `MAY_LOSE`; None: not measured."""
    found = [_least_quality(report) for report in reports if any(section.figures for section in report.by_quality)]
    return max(found) if found else None


def weakest(sections: Sequence[Section], measure: str) -> Weakest | None:
    """Return the subset of which a share is least; None where there are not two of enough faces."""
    known = [(section, section.figures[measure]) for section in sections if measure in section.figures]
    if len(known) < 2:  # noqa: PLR2004 - of one nothing is the worst
        return None
    section, figure = min(known, key=lambda pair: pair[1].value)
    return Weakest(name=section.name, n=section.n, figure=figure)


def _smallest_face_px(report: Report) -> int:
    sizes = sorted(report.by_size, key=lambda section: -int(section.name))
    return int(_last_good(report.overall, sizes).name)


def _least_quality(report: Report) -> float:
    qualities = sorted(report.by_quality, key=lambda section: -_lower_border(section))
    return _lower_border(_last_good(report.overall, qualities))


def _lower_border(section: Section) -> float:
    return float(section.name.split(" to ")[0])


def _last_good(whole: Section, falling: Sequence[Section]) -> Section:
    """Go down from the first, which counts in any case; what comes after one that lost too much does not count."""
    last = falling[0]
    for section in falling:
        if not section.figures:
            continue  # of so few faces nothing is known
        if any(_loss(whole, section, measure) > MAY_LOSE for measure in _MEASURES):
            break
        last = section
    return last


def _loss(whole: Section, part: Section, measure: str) -> float:
    if measure not in whole.figures or measure not in part.figures:
        return 0.0
    return whole.figures[measure].value - part.figures[measure].value
