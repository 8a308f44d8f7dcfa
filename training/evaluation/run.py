"""Evaluates a model: every face is judged as served, and made small; then the figures are drawn up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.stages.align import CROP_RECIPE
from training.errors import TrainingError
from training.evaluation.bands import NINE
from training.evaluation.calibration import calibration
from training.evaluation.density import density
from training.evaluation.estimates import joined
from training.evaluation.intervals import MIN_FACES, Resamples
from training.evaluation.model import BATCH
from training.evaluation.quality import POSES, QUALITIES, SHARPNESSES, between, crop_qualities
from training.evaluation.report import Report
from training.evaluation.sections import Judged, section, sections
from training.evaluation.small import AS_IT_IS_PX, SIZES_PX, crop_of_size
from training.evaluation.tasks import GENDER, PEOPLE, tasks
from training.faces import FEMALE, MALE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.stages.choose import CropQuality
    from training.evaluation.model import Model
    from training.evaluation.report import Calibration, Section
    from training.faces import Faces


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTemperatures:
    """Of the two heads; None: fitted on the faces that are evaluated."""

    age: float | None = None
    gender: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is evaluated on."""

    faces: Faces
    dataset: str
    part: str  # "validation", "all"


def evaluate(
    model: Model,
    subject: Subject,
    *,
    sizes_px: Sequence[int] = SIZES_PX,
    temperatures: GivenTemperatures | None = None,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Report:
    """Return the report of a model on labelled faces; the order of the faces does not matter.

    Args:
        model: The model.
        subject: The faces.
        sizes_px: Heights of the face at which everything is measured besides; `AS_IT_IS_PX`: as it is.
        temperatures: Of the heads.
        on_batch: Told after each batch how many faces were judged.

    Raises:
        TrainingError: There are no faces, or the model's answer breaks the contract.
    """
    faces = subject.faces
    if not len(faces):
        raise TrainingError(f"{subject.dataset}: there are no faces to evaluate on in the part {subject.part!r}")
    faces = faces.take(np.argsort(faces.keys))
    judged = _judged(model, faces, AS_IT_IS_PX, on_batch)
    overall = section("all", judged)
    at_sizes = {AS_IT_IS_PX: judged} | {size: _judged(model, faces, size, on_batch) for size in _small(sizes_px)}
    qualities = {size: crop_qualities(faces, size) for size in at_sizes}
    return Report(
        model=model.name,
        sha256=model.sha256,
        crop_recipe=CROP_RECIPE,
        dataset=subject.dataset,
        part=subject.part,
        keys_sha256=faces.digest(),
        knows_age=judged.estimates.knows_age,
        knows_gender=judged.estimates.knows_gender,
        tempered=model.tempered,
        overall=overall,
        by_gender=_by_gender(judged),
        by_group=_by_group(judged),
        by_age=_by_age(judged),
        by_size=tuple(section(str(size), at_sizes[min(size, AS_IT_IS_PX)]) for size in sizes_px),
        by_pose=sections(judged, between(POSES, [quality.pose for quality in qualities[AS_IT_IS_PX]])),
        by_sharpness=sections(judged, between(SHARPNESSES, [quality.sharpness for quality in qualities[AS_IT_IS_PX]])),
        by_quality=_by_quality(at_sizes, qualities),
        calibrations=_calibrations(judged, temperatures or GivenTemperatures()),
        density=density(judged),
    )


def rounds(sizes_px: Sequence[int]) -> int:
    """Return how many times each face is judged."""
    return 1 + len(_small(sizes_px))


def _small(sizes_px: Sequence[int]) -> list[int]:
    return [size for size in sizes_px if size < AS_IT_IS_PX]


def _judged(model: Model, faces: Faces, size_px: int, on_batch: Callable[[int], None]) -> Judged:
    parts = []
    for start in range(0, len(faces), BATCH):
        rows = faces.rows[start : start + BATCH].tolist()
        parts.append(model.estimate(np.stack([crop_of_size(faces.canvases[row], size_px) for row in rows])))
        on_batch(len(rows))
    estimates = joined(parts)
    return Judged(faces=faces, estimates=estimates, tasks=tasks(faces, estimates))


def _by_gender(judged: Judged) -> tuple[Section, ...]:
    return sections(judged, {"female": judged.faces.gender == FEMALE, "male": judged.faces.gender == MALE})


def _by_group(judged: Judged) -> tuple[Section, ...]:
    group = judged.faces.group
    return sections(judged, {name: group == name for name in np.unique(group).tolist() if name})


def _by_age(judged: Judged) -> tuple[Section, ...]:
    band = NINE.of_intervals(judged.faces.age_low, judged.faces.age_high)
    return sections(judged, {name: band == number for number, name in enumerate(NINE.names)})


def _by_quality(at_sizes: Mapping[int, Judged], qualities: Mapping[int, Sequence[CropQuality]]) -> tuple[Section, ...]:
    parts = list(at_sizes.values())
    faces = parts[0].faces.take(np.tile(np.arange(len(parts[0].faces)), len(parts)))
    estimates = joined([part.estimates for part in parts])
    judged = Judged(faces=faces, estimates=estimates, tasks=tasks(faces, estimates))
    return sections(judged, between(QUALITIES, [quality.value for size in at_sizes for quality in qualities[size]]))


def _calibrations(judged: Judged, temperatures: GivenTemperatures) -> dict[str, Calibration]:
    known = [task.known() for task in judged.tasks if not task.for_comparison]
    given = {GENDER: temperatures.gender, PEOPLE: None}
    return {
        task.name: calibration(task, Resamples(len(task.truth)), given.get(task.name, temperatures.age))
        for task in known
        if len(task.truth) >= MIN_FACES
    }
