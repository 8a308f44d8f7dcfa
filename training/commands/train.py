"""`headcount-train train`: a recipe becomes weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.errors import TrainingError
from training.options import TRAINING_DATA, TRAINING_DIR, RecipeName, TrainingData, TrainingDir
from training.progress import faces_progress

if TYPE_CHECKING:
    from pathlib import Path

    from training.loop import Epoch
    from training.recipe import Recipe


def train(
    recipe: RecipeName,
    data: TrainingData = TRAINING_DATA,
    training_dir: TrainingDir = TRAINING_DIR,
    device: Annotated[str, typer.Option("--device", help="cpu, or cuda: a GPU.")] = "cpu",
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that prepare batches; 0: this one does.")] = 1,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Of the arithmetic on processors; 0: as many as there are.")] = 0,
) -> None:
    """Train a recipe, after the one that it starts from; a training that was interrupted goes on from its last whole epoch."""
    import torch  # noqa: PLC0415 - --help must not wait for it

    from training.checkpoint import NAME as CHECKPOINT  # noqa: PLC0415 - as above
    from training.checkpoint import alone  # noqa: PLC0415 - as above
    from training.loop import Training  # noqa: PLC0415 - as above
    from training.parts import open_parts  # noqa: PLC0415 - as above
    from training.recipe import lineage  # noqa: PLC0415 - as above

    console = Console(stderr=True, highlight=False)
    recipes = lineage(recipe)
    if device != "cpu" and not torch.cuda.is_available():
        raise TrainingError(f"--device {device}: torch sees no GPU here; train with --device cpu")
    torch.set_num_threads(threads or torch.get_num_threads())
    while any((training_dir / later.name / CHECKPOINT).exists() for later in recipes[1:]):
        del recipes[0]  # what started from it has begun
    begin_with: Path | None = None
    for chosen in recipes:
        train_faces, validation_faces = open_parts(chosen.data, data, training_dir / "aligned", console)
        folder = training_dir / chosen.name
        training = Training(chosen, folder, train=train_faces, validation=validation_faces, device=device)
        with alone(folder):
            done = training.resume()
            if begin_with and not done:
                training.start_from(begin_with)
                if chosen.teach:
                    with faces_progress(console) as progress:
                        asked = progress.add_task(f"asking {chosen.start}", total=len(train_faces))
                        training.be_taught(partial(progress.advance, asked))
            faces = f"{len(train_faces)} faces to learn from, {len(validation_faces)} to choose by"
            console.print(escape(f"{chosen.name}: {faces}; {done} of {chosen.epochs} epochs are done"), soft_wrap=True)
            with Progress(*_COLUMNS, console=console) as progress:
                training.run(_Bar(progress, chosen), workers)
        begin_with = folder
    after = f"; next: headcount-train release {recipe}" if chosen.model else ""
    console.print(escape(f"{folder} holds the weights{after}"), soft_wrap=True)


_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("loss {task.fields[loss]}"),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


class _Bar:
    """Shows the steps of a training, and a line for each epoch."""

    def __init__(self, progress: Progress, recipe: Recipe) -> None:
        self._progress, self._recipe = progress, recipe
        self._task = progress.add_task(recipe.name, total=None, loss="-")
        self._loss: float | None = None

    def began(self, done: int, steps: int) -> None:
        """Show how far an earlier run came."""
        self._progress.update(self._task, completed=done, total=steps)

    def stepped(self, loss: float) -> None:
        """Move on by one step; the loss is a running mean of about fifty."""
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        self._progress.update(self._task, advance=1, loss=f"{self._loss:.3f}")

    def finished(self, epoch: Epoch) -> None:
        """Say what an epoch came to."""
        found = epoch.check
        shares = {"bands": found.bands, "one-off": found.one_off, "gender": found.gender, "person": found.person}
        figures = [f"{name} {share:.1%}" for name, share in shares.items() if share is not None]
        figures += [f"MAE {found.mae:.2f} years"] if found.mae is not None else []
        line = f"epoch {epoch.epoch} of {self._recipe.epochs}, {epoch.side_px} px: {', '.join(figures)}; {epoch.cpu_s / 60:.1f} CPU minutes"
        self._progress.console.print(line, soft_wrap=True)
