"""`headcount-train release`: a training becomes a measured model with its card."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from training.datasets import NAMES
from training.options import REPOSITORY, TRAINING_DATA, TRAINING_DIR, RecipeName, Repository, TrainingData, TrainingDir, Version
from training.progress import faces_progress

_On = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="DATASET",
        help=f"Measure on its validation part; several times for several; else the recipe's data sets. {', '.join(NAMES)}.",
    ),
]


def release(
    recipe: RecipeName,
    on: _On = None,
    data: TrainingData = TRAINING_DATA,
    training_dir: TrainingDir = TRAINING_DIR,
    repository: Repository = REPOSITORY,
    version: Version = 0,
) -> None:
    """Export a training, fit its temperatures on validation faces, measure it, write its card: one model in place of the one before."""
    from training.recipe import lineage  # noqa: PLC0415 - --help must not wait for it

    recipes = lineage(recipe)
    chosen = recipes[-1]
    if not chosen.model:
        Console(highlight=False).print(escape(f"recipe {chosen.name} names no model: nothing to release"), soft_wrap=True)
        return
    from training.card import CARD, write_card  # noqa: PLC0415 - nor for torch
    from training.evaluation.run import Subject, rounds  # noqa: PLC0415 - as above
    from training.evaluation.small import SIZES_PX  # noqa: PLC0415 - as above
    from training.faces import joined  # noqa: PLC0415 - as above
    from training.parts import open_parts  # noqa: PLC0415 - as above
    from training.release import building, export_model, fitted, measured, source  # noqa: PLC0415 - as above
    from training.served import Temperatures  # noqa: PLC0415 - as above

    made = source(recipes, training_dir, repository, version)
    console = Console(stderr=True, highlight=False)
    on = on or chosen.data
    parts = {name: open_parts([name], data, training_dir / "aligned", console)[1] for name in sorted({*on, *chosen.data})}
    subjects = [Subject(faces=parts[name], dataset=name, part="validation") for name in on]
    own = joined([parts[name] for name in chosen.data])
    validation = Subject(faces=own, dataset="+".join(chosen.data), part="validation")
    with building(made.model) as folder, faces_progress(console) as progress:
        export_model(made, folder, Temperatures())
        fitting = progress.add_task("fitting temperatures", total=len(own))
        temperatures = fitted(folder, validation, lambda faces: progress.advance(fitting, faces))
        export_model(made, folder, temperatures)
        measuring = progress.add_task("measuring", total=rounds(SIZES_PX) * sum(len(subject.faces) for subject in subjects))
        measured(folder, subjects, lambda faces: progress.advance(measuring, faces))
        write_card(folder)
    Console(highlight=False).print(escape(f"{made.model / CARD}; next: headcount-train compare"), soft_wrap=True)
