"""The options that several commands of `headcount-train` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of training/recipes/ by its name, or a .toml file.")]
TrainingDir = Annotated[
    Path, typer.Option("--training-dir", envvar="TRAINING_DIR", help="Where trainings and prepared faces are kept; a recipe's in RECIPE/.")
]
TrainingData = Annotated[Path, typer.Option("--data", envvar="TRAINING_DATA", help="The folder that holds a folder for each data set.")]
Repository = Annotated[Path, typer.Option("--repository", help="The Triton model repository in which models are written and looked for.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model of the repository.")]
Version = Annotated[int, typer.Option("--version", min=0, help="Of the model; 0: one more than the newest there.")]

TRAINING_DATA = Path("data")
TRAINING_DIR = Path("out/training")
REPOSITORY = Path("triton_models")
