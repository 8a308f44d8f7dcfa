"""`headcount-train prepare`: a data set becomes aligned faces, and one sees what is in it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import Annotated

import typer
from rich.console import Console

from training.datasets import NAMES, open_dataset
from training.options import TRAINING_DIR, TrainingDir

_NAMED = 20


def prepare(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"One of {', '.join(NAMES)}.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The folder that holds it, as its authors publish it.")],
    training_dir: TrainingDir = TRAINING_DIR,
    all_names: Annotated[  # noqa: FBT002 - a flag of the command
        bool, typer.Option("--all-names", help=f"Name everything that is left out, not {_NAMED} of it.")
    ] = False,
) -> None:
    """Align the faces of a data set; say what is in it, what was left out and why, and how it is split."""
    from training.aligned import prepare as align_faces  # noqa: PLC0415 - --help must not wait for the detector's libraries
    from training.preparation import print_names, split_table, summary_table  # noqa: PLC0415 - as above
    from training.split import split  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    opened = open_dataset(dataset, root)
    prepared = align_faces(opened, training_dir / "aligned", Console(stderr=True, highlight=False))
    console.print(summary_table(opened, prepared))
    named = prepared.left_out.named
    print_names(prepared.left_out, console, most=len(named) if all_names else _NAMED)
    parts = split(prepared.faces, held_out=opened.held_out)
    console.print(split_table(prepared.faces, parts))
    console.print(f"validation part: SHA-256 {parts.digest(prepared.faces)} of its sorted keys", soft_wrap=True)
