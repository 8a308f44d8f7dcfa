"""`headcount-train train`: a recipe becomes weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.aligned import aligned
from training.datasets import open_dataset
from training.errors import TrainingError
from training.faces import joined
from training.folders import training_folder
from training.loop import Training
from training.recipe import Recipe, load_recipe, recipe_names
from training.split import split

if TYPE_CHECKING:
    from training.faces import Faces
    from training.loop import Epoch

console = Console(stderr=True)


def train(
    recipe: Annotated[str, typer.Argument(help=f"A recipe ({', '.join(recipe_names())}), or the path of a .toml file.")],
    data: Annotated[Path, typer.Option(envvar="TRAINING_DATA", help="Folder that holds a folder for each data set.")] = Path("data"),
    folder: Annotated[Path | None, typer.Option(help="Where its checkpoints lie; as a rule out/training/RECIPE.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda for a GPU.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches; 0: none of their own.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Of the network's arithmetic, on the CPU.")] = 2,
) -> None:
    """Train a recipe; a training that was ended goes on from its last whole epoch.

    Example: headcount-train train default --data ../shared/data
    """
    chosen = load_recipe(recipe)
    place = folder or training_folder() / chosen.name
    if device != "cpu" and not torch.cuda.is_available():
        raise TrainingError(f"device {device}: torch sees no GPU here; train with --device cpu")
    torch.set_num_threads(threads)
    train_faces, validation_faces = parts(chosen, data)
    training = Training(chosen, place, train=train_faces, validation=validation_faces, device=device)
    done = training.resume()
    if not done and chosen.start:
        training.start_from(training_folder() / chosen.start)
    console.print(
        f"{chosen.name}: {len(train_faces)} faces, {len(validation_faces)} of them for choosing, {chosen.epochs} epochs, {done} done"
    )
    with Progress(*_columns(), console=console) as progress:
        training.run(_Bar(progress, chosen), workers)
    console.print(f"{place}: trained; next: headcount-train export {recipe}")


def parts(recipe: Recipe, data: Path) -> tuple[Faces, Faces]:
    """Return the training and the validation faces of a recipe's data sets, each of which is split by itself."""
    train_parts, validation_parts = [], []
    for name in recipe.data:
        faces = aligned(open_dataset(name, data / name), training_folder() / "aligned", console)
        halves = split(faces)
        train_parts.append(faces.take(halves.train))
        validation_parts.append(faces.take(halves.validation))
    return joined(train_parts), joined(validation_parts)


def _columns() -> tuple[SpinnerColumn, TextColumn, BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn]:
    return (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


class _Bar:
    """Shows a training's steps, and a line for each epoch."""

    def __init__(self, progress: Progress, recipe: Recipe) -> None:
        self._progress, self._recipe = progress, recipe
        self._task = progress.add_task(recipe.name, total=None, loss="-")
        self._loss: float | None = None

    def began(self, done: int, steps: int) -> None:
        """Show how far an earlier run came."""
        self._progress.update(self._task, completed=done, total=steps)

    def stepped(self, loss: float) -> None:
        """Move on by one step; the loss shown is a running mean of about fifty."""
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        self._progress.update(self._task, advance=1, loss=f"{self._loss:.3f}")

    def finished(self, epoch: Epoch) -> None:
        """Say what an epoch came to."""
        found = epoch.check
        figures = [
            f"{name} {value:.1%}"
            for name, value in (("bands", found.bands), ("one-off", found.one_off), ("gender", found.gender))
            if value is not None
        ]
        if found.mae is not None:
            figures.append(f"MAE {found.mae:.2f} years")
        self._progress.console.print(
            f"epoch {epoch.epoch} of {self._recipe.epochs} at {epoch.side_px} px: {', '.join(figures)} ({epoch.cpu_s / 60:.1f} CPU minutes)"
        )
