"""Counts faces by labelled and estimated age, for a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.bands import ADIENCE, NINE
from training.evaluation.report import Density
from training.evaluation.tasks import ADIENCE_BANDS, GROUPS

if TYPE_CHECKING:
    from training.evaluation.sections import Judged

_LAST_EDGE = 101
_YEARS = (*range(0, 100, 2), _LAST_EDGE)  # the last cell holds 98 to 100


def density(judged: Judged) -> Density | None:
    """Return the counts: by year where ages are exact, else by band; None where the model or the labels know no ages."""
    faces, ages = judged.faces, judged.estimates.ages
    exact = faces.age_low == faces.age_high
    of_bands = [task for task in judged.tasks if task.name in {GROUPS, ADIENCE_BANDS}]
    if not of_bands:
        return None
    if exact.any():
        labels, edges, known = faces.age_low, _YEARS, exact
    else:
        task = of_bands[-1]
        edges = (*(ADIENCE if task.name == ADIENCE_BANDS else NINE).starts, _LAST_EDGE)
        known = task.truth >= 0
        labels = np.array(edges)[task.truth]
    counts, _, _ = np.histogram2d(labels[known], ages[known], (edges, _YEARS))
    return Density(
        exact=bool(exact.any()), true_edges=edges, estimated_edges=_YEARS, counts=tuple(tuple(row) for row in counts.astype(int).tolist())
    )
