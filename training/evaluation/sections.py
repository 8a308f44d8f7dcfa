"""The figures of all faces and of subsets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.evaluation.calibration import calibration_error
from training.evaluation.intervals import means, resamples_of
from training.evaluation.measures import class_columns, columns
from training.evaluation.report import Confusion, Section
from training.evaluation.tasks import BINS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from training.evaluation.estimates import Estimates
    from training.evaluation.intervals import Resamples
    from training.evaluation.tasks import Task
    from training.faces import Faces


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """n crops, what the model says of them, and what that can be measured by; crops of one face have its key."""

    faces: Faces
    estimates: Estimates
    tasks: Sequence[Task]

    def take(self, chosen: NDArray[Any]) -> Judged:
        """Return some of them: `chosen` are places, or booleans (n,)."""
        return Judged(
            faces=self.faces.take(chosen), estimates=self.estimates.take(chosen), tasks=[task.take(chosen) for task in self.tasks]
        )


def section(name: str, judged: Judged) -> Section:
    """Return the figures; of fewer than `MIN_FACES` faces none."""
    n = len(judged.faces)
    resamples = resamples_of(judged.faces.keys)
    if not resamples.enough(np.ones(n, np.bool_)):
        return Section(name=name, n=n, figures={}, confusions={})
    figures = means(columns(judged.faces, judged.estimates, judged.tasks), resamples)
    known = [task for task in judged.tasks if resamples.enough(task.truth >= 0)]
    figures |= {f"{task.name}_ece": calibration_error(task, resamples) for task in known if not task.for_comparison}
    confusions = {task.name: _confusion(task, resamples) for task in known if task.name != BINS}
    return Section(name=name, n=n, figures=figures, confusions=confusions)


def sections(judged: Judged, members: Mapping[str, NDArray[np.bool_]]) -> tuple[Section, ...]:
    """Return a section for each subset that holds any face, from masks (n,) by name."""
    return tuple(section(name, judged.take(mask)) for name, mask in members.items() if mask.any())


def _confusion(task: Task, resamples: Resamples) -> Confusion:
    known = task.known()
    k = len(task.classes)
    found = means(class_columns(task), resamples)
    return Confusion(
        classes=task.classes,
        counts=_rows(np.bincount(known.truth * k + known.judged, minlength=k * k).reshape(k, k)),
        mean_probs=tuple(round(share, 5) for share in known.probs.mean(axis=0, dtype=np.float64).tolist()),
        precision=tuple(found.get(f"precision {name}") for name in task.classes),
        recall=tuple(found.get(f"recall {name}") for name in task.classes),
    )


def _rows(counts: NDArray[np.intp]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in counts.tolist())
