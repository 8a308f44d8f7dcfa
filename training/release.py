"""From a training to a model of the repository: exported, its temperatures fitted, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.stages.align import CROP_RECIPE
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.run import evaluate
from training.evaluation.small import AS_IT_IS_PX
from training.export import export
from training.history import read_history
from training.loop import trained
from training.model_folder import complete, newest_version, version_file
from training.provenance import Provenance
from training.released import REPORTS
from training.served import Temperatures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from training.evaluation.report import Report
    from training.evaluation.run import Subject
    from training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What becomes a model."""

    recipe: Recipe
    training: Path  # the folder of its checkpoint
    model: Path  # the model's folder in a repository
    version: int  # 0: the newest there, or the first

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return version_file(self.model, self.version or newest_version(self.model) or 1)


def source(recipe: Recipe, training_dir: Path, repository: Path, version: int) -> Source:
    """Return where a recipe's training lies and where its model goes.

    Raises:
        TrainingError: What the recipe trains is not served.
    """
    if not recipe.model:
        raise TrainingError(f"recipe {recipe.name} names no model: what it trains is not served")
    return Source(recipe=recipe, training=training_dir / recipe.name, model=repository / recipe.model, version=version)


def export_model(made: Source, temperatures: Temperatures) -> None:
    """Write the weights of a training, as far as it has come, and what stands beside them; reports of earlier weights are removed.

    Raises:
        TrainingError: There is no training, or its export does not answer as it does.
    """
    network = trained(made.recipe, made.training)
    history = read_history(made.training)
    provenance = Provenance(
        recipe=made.recipe.name,
        seed=made.recipe.seed,
        licence=made.recipe.licence,
        crop_recipe=CROP_RECIPE,
        epochs=history.epochs,
        epochs_planned=made.recipe.epochs,
        cpu_hours=round(history.cpu_hours, 2),
        flip=made.recipe.flip,
        half=made.recipe.half,
        age_temperature=temperatures.age,
        gender_temperature=temperatures.gender,
    )
    export(network, made.network, flip=made.recipe.flip, half=made.recipe.half, temperatures=temperatures, notes=provenance.notes())
    complete(made.model)
    for report in (made.model / REPORTS).glob("*.json"):
        report.unlink()


def fitted(made: Source, validation: Subject, on_batch: Callable[[int], None]) -> Temperatures:
    """Return the likeliest temperatures of a model that was exported without any, on the validation faces of its own data."""
    report = evaluate(open_model(made.model), validation, sizes_px=(AS_IT_IS_PX,), on_batch=on_batch)
    found = {name: round(each.temperature, 3) for name, each in report.calibrations.items()}
    return Temperatures(age=found.get("groups", 1.0), gender=found.get("gender", 1.0))


def measured(made: Source, subjects: Sequence[Subject], on_batch: Callable[[int], None]) -> list[Report]:
    """Evaluate a model on each subject and write the reports beside it."""
    (made.model / REPORTS).mkdir(exist_ok=True)
    reports = []
    for subject in subjects:
        report = evaluate(open_model(made.model), subject, on_batch=on_batch)
        report.save(made.model / REPORTS / f"{subject.dataset}.json")
        reports.append(report)
    return reports
