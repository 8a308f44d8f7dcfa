"""What the figures say about where a model may be relied on; the card states it, and the serving gate keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from training.evaluation.intervals import Figure
    from training.evaluation.report import Report, Section

MAY_LOSE = 0.05
"""What gender and the share of ages at most one group off may lose at a face size, against faces as they are."""
_ONE_OFF = "groups_one_off"
_MEASURES = ("gender_accuracy", _ONE_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakest:
    """The subset that a figure is worst of."""

    name: str
    n: int
    figure: Figure


def smallest_face_px(reports: Iterable[Report]) -> int | None:
    """Return the least height of a face, pixels, down to which no report shows a larger loss than `MAY_LOSE`; None: not measured."""
    found = [_last_good(report.overall, report.by_size, lambda section: int(section.name)) for report in reports]
    return max((int(section.name) for section in found if section), default=None)


def least_quality(reports: Iterable[Report]) -> float | None:
    """Return the crop quality down to which no report shows a larger loss than `MAY_LOSE`; None: not measured."""
    found = [_last_good(report.overall, report.by_quality, _lower_border) for report in reports]
    return max((_lower_border(section) for section in found if section), default=None)


def least_pose(reports: Iterable[Report]) -> float | None:
    """Return the pose factor, 1 if frontal, down to which no report shows a larger loss than `MAY_LOSE`; None: not measured."""
    found = [_last_good(report.overall, report.by_pose, _lower_border) for report in reports]
    return max((_lower_border(section) for section in found if section), default=None)


def hard_ages(report: Report) -> list[Section]:
    """Return the age bands whose ages are at most one group off less often than all, by more than `MAY_LOSE`."""
    return [section for section in report.by_age if _loss(report.overall, section, _ONE_OFF) > MAY_LOSE]


def weakest(sections: Sequence[Section], measure: str) -> Weakest | None:
    """Return the subset of which a share is least; None where there are not two of enough faces."""
    known = [(section, section.figures[measure]) for section in sections if measure in section.figures]
    if len(known) < 2:  # noqa: PLR2004 - of one nothing is the worst
        return None
    section, figure = min(known, key=lambda pair: pair[1].value)
    return Weakest(name=section.name, n=section.n, figure=figure)


def _lower_border(section: Section) -> float:
    return float(section.name.split(" to ")[0])


def _last_good(whole: Section, sections: Sequence[Section], size: Callable[[Section], float]) -> Section | None:
    """Go down from the largest, which counts in any case; what comes after one that lost too much does not count.

    Of too few faces no figure is claimed: those do not count. None: there are no others.
    """
    known = [section for section in sections if any(name in section.figures and name in whole.figures for name in _MEASURES)]
    last = None
    for section in sorted(known, key=size, reverse=True):
        if last and any(_loss(whole, section, measure) > MAY_LOSE for measure in _MEASURES):
            break
        last = section
    return last


def _loss(whole: Section, part: Section, measure: str) -> float:
    if measure not in whole.figures or measure not in part.figures:
        return 0.0
    return whole.figures[measure].value - part.figures[measure].value
