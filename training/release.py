"""From a training to a model of the repository: exported, its temperatures fitted, measured, and only then put into its place."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.stages.align import CROP_RECIPE
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.run import evaluate
from training.evaluation.small import AS_IT_IS_PX
from training.export import export
from training.loop import trained
from training.model_folder import complete, newest_version, version_file
from training.provenance import Provenance
from training.recipe import data_of
from training.released import REPORTS
from training.served import Temperatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from training.evaluation.report import Report
    from training.evaluation.run import Subject
    from training.loop import Trained
    from training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What becomes a model."""

    recipe: Recipe
    data: tuple[str, ...]  # that the weights have seen
    trained: Trained
    model: Path  # the model's folder in a repository
    version: int


def source(recipes: Sequence[Recipe], training_dir: Path, repository: Path, version: int) -> Source:
    """Return what the last of some recipes, each of which starts from the one before, was trained to, as far as that has come.

    Args:
        recipes: As `lineage` returns them.
        training_dir: Holds the training's folder.
        repository: Where the model goes.
        version: Its number; 0: one more than the newest there.

    Raises:
        TrainingError: What the recipe trains is not served, it was not trained, or there is a newer version.
    """
    recipe = recipes[-1]
    if not recipe.model:
        raise TrainingError(f"recipe {recipe.name} names no model: what it trains is not served")
    newest = newest_version(repository / recipe.model)
    if version and version < newest:
        raise TrainingError(f"--version {version}: {repository / recipe.model} has version {newest}, and the newest is what is served")
    return Source(
        recipe=recipe,
        data=data_of(recipes),
        trained=trained(recipe, training_dir / recipe.name),
        model=repository / recipe.model,
        version=version or newest + 1,
    )


@contextmanager
def building(model: Path) -> Iterator[Path]:
    """Lend an empty folder of a model's name; at the end of the block it takes the place of the model's folder and all in that.

    If the block fails, the model stays as it is.
    """
    model.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".building-", dir=model.parent) as workshop:
        folder = Path(workshop) / model.name
        folder.mkdir()
        yield folder
        if model.exists():
            model.rename(Path(workshop) / "before")
        folder.rename(model)


def export_model(made: Source, folder: Path, temperatures: Temperatures) -> None:
    """Write the network and what stands beside it.

    Args:
        made: What becomes a model.
        folder: As `building` lends it.
        temperatures: Of the outputs.

    Raises:
        TrainingError: The export does not answer as the training does, or the product does not load it.
    """
    provenance = Provenance(
        recipe=made.recipe,
        data=made.data,
        crop_recipe=CROP_RECIPE,
        epochs=made.trained.epochs,
        cpu_hours=round(made.trained.cpu_hours, 2),
        age_temperature=temperatures.age,
        gender_temperature=temperatures.gender,
    )
    export(
        made.trained.network,
        version_file(folder, made.version),
        flip=made.recipe.flip,
        half=made.recipe.half,
        temperatures=temperatures,
        notes=provenance.notes(),
    )
    complete(folder)


def fitted(folder: Path, validation: Subject, on_batch: Callable[[int], None]) -> Temperatures:
    """Return the likeliest temperatures of a model that was exported without any, on the validation faces of its own data."""
    report = evaluate(open_model(folder), validation, sizes_px=(AS_IT_IS_PX,), on_batch=on_batch)
    found = {name: round(each.temperature, 3) for name, each in report.calibrations.items()}
    return Temperatures(age=found.get("groups", 1.0), gender=found.get("gender", 1.0))


def measured(folder: Path, subjects: Sequence[Subject], on_batch: Callable[[int], None]) -> list[Report]:
    """Evaluate a model on each subject and write the reports beside it."""
    (folder / REPORTS).mkdir(exist_ok=True)
    reports = []
    for subject in subjects:
        report = evaluate(open_model(folder), subject, on_batch=on_batch)
        report.save(folder / REPORTS / f"{subject.dataset}.json")
        reports.append(report)
    return reports
