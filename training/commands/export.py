"""`headcount-train export`: a training becomes a folder of the model repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from training.options import REPOSITORY, TRAINING_DIR, RecipeName, Repository, TrainingDir, Version

if TYPE_CHECKING:
    from pathlib import Path

    from training.recipe import Recipe

_Temperature = Annotated[float, typer.Option(min=0.1, max=10, help="As headcount-train evaluate has fitted it on validation faces.")]


def export(
    recipe: RecipeName,
    training_dir: TrainingDir = TRAINING_DIR,
    repository: Repository = REPOSITORY,
    version: Version = 0,
    age_temperature: _Temperature = 1.0,
    gender_temperature: _Temperature = 1.0,
) -> None:
    """Write the weights of a training, as far as it has come, as a model that headcount and Triton load, in place of the one before.

    What a recipe without a model trains is not served: its file stays in the training's folder, to be measured.
    """
    from training.model_folder import version_file  # noqa: PLC0415 - --help must not wait for torch
    from training.recipe import lineage  # noqa: PLC0415 - as above
    from training.release import building, export_model, source  # noqa: PLC0415 - as above
    from training.served import Temperatures  # noqa: PLC0415 - as above

    recipes = lineage(recipe)
    if not recipes[-1].model:
        _for_evaluation(recipes[-1], training_dir / recipes[-1].name)
        return
    made = source(recipes, training_dir, repository, version)
    with building(made.model) as folder:
        export_model(made, folder, Temperatures(age=age_temperature, gender=gender_temperature))
    network = version_file(made.model, made.version)
    text = f"{network}: {network.stat().st_size:,} bytes; next: headcount-train evaluate {made.model} DATASET"
    Console(highlight=False).print(escape(text), soft_wrap=True)


def _for_evaluation(recipe: Recipe, folder: Path) -> None:
    from training.export import export as write  # noqa: PLC0415 - --help must not wait for torch
    from training.loop import trained  # noqa: PLC0415 - as above
    from training.model_folder import MODEL_FILE  # noqa: PLC0415 - as above

    write(trained(recipe, folder).network, folder / MODEL_FILE, flip=recipe.flip, half=recipe.half)
    text = f"{folder / MODEL_FILE}: not served; next: headcount-train evaluate {folder / MODEL_FILE} DATASET"
    Console(highlight=False).print(escape(text), soft_wrap=True)
