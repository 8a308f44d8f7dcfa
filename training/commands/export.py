"""`headcount-train export`: a training becomes a folder of the model repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipeline.stages.align import CROP_RECIPE
from training.errors import TrainingError
from training.options import REPOSITORY, TRAINING_DIR, RecipeName, Repository, TrainingDir

if TYPE_CHECKING:
    from training.recipe import Recipe

_Temperature = Annotated[float, typer.Option(min=0.1, max=10, help="As headcount-train evaluate has fitted it on validation faces.")]


def export(
    recipe: RecipeName,
    training_dir: TrainingDir = TRAINING_DIR,
    repository: Repository = REPOSITORY,
    version: Annotated[int, typer.Option("--version", min=0, help="The version to write; 0: the newest there, or the first.")] = 0,
    age_temperature: _Temperature = 1.0,
    gender_temperature: _Temperature = 1.0,
) -> None:
    """Write the weights of a training, as far as it has come, as a model that headcount and Triton load."""
    from training import export as onnx_file  # noqa: PLC0415 - --help must not wait for torch
    from training.loop import trained  # noqa: PLC0415 - as above
    from training.model_folder import complete, newest_version, version_file  # noqa: PLC0415 - as above
    from training.recipe import load_recipe  # noqa: PLC0415 - as above
    from training.served import Temperatures  # noqa: PLC0415 - as above

    chosen = load_recipe(recipe)
    if not chosen.model:
        raise TrainingError(f"recipe {chosen.name} names no model: what it trains is not served")
    folder = repository / chosen.model
    path = version_file(folder, version or newest_version(folder) or 1)
    onnx_file.export(
        trained(chosen, training_dir / chosen.name),
        path,
        flip=chosen.flip,
        half=chosen.half,
        temperatures=Temperatures(age=age_temperature, gender=gender_temperature),
        notes=_notes(chosen),
    )
    complete(folder)
    Console(highlight=False).print(escape(f"{path}: {path.stat().st_size:,} bytes"), soft_wrap=True)


def _notes(recipe: Recipe) -> dict[str, str]:
    return {"recipe": recipe.name, "seed": str(recipe.seed), "licence": recipe.licence, "crop_recipe": CROP_RECIPE}
