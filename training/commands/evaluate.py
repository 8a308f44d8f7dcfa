"""`headcount-train evaluate`: how good a model is on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from training.datasets import NAMES, open_dataset
from training.errors import TrainingError
from training.options import TRAINING_DIR, TrainingDir
from training.progress import faces_progress

if TYPE_CHECKING:
    from training.evaluation.model import Model
    from training.evaluation.report import Report
    from training.evaluation.run import GivenTemperatures, Subject

_SIZES = "112,64,48,32,24"
_LARGEST_PX, _SMALLEST_PX = 112, 8
_TEMPERATURES = (0.1, 10.0)


def evaluate(  # noqa: PLR0913, PLR0917 - each is an option of the command
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder in triton_models, or an .onnx file of its contract.")],
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"One of {', '.join(NAMES)}.")],
    root: Annotated[Path | None, typer.Argument(metavar="ROOT", help="The folder that holds it; else DATASET below --data.")] = None,
    part: Annotated[
        Literal["validation", "all"],
        typer.Option(help="The part that no recipe trains on, or all faces: of a data set that nothing was trained on."),
    ] = "validation",
    out: Annotated[Path | None, typer.Option(help="Write evaluation.json, evaluation.md and plots into this folder.")] = None,
    sizes: Annotated[str, typer.Option(help="Heights of the face, pixels, largest first; 112: as it is.")] = _SIZES,
    temperature: Annotated[
        str, typer.Option(help="Of both heads, or AGE,GENDER; auto: the likeliest on these faces. Nothing but the calibration heeds it.")
    ] = "auto",
    data: Annotated[Path, typer.Option(envvar="TRAINING_DATA", help="Folder that holds a folder for each data set.")] = Path("data"),
    training_dir: TrainingDir = TRAINING_DIR,
) -> None:
    """Measure a model: ages, groups, gender, calibration, by gender, race label, age and face size, with 95% intervals."""
    from training.evaluation.model import open_model  # noqa: PLC0415 - --help must not wait for the plots' library
    from training.evaluation.tables import grids  # noqa: PLC0415 - as above
    from training.evaluation.write import write  # noqa: PLC0415 - as above

    sizes_px, temperatures = parse_sizes(sizes), parse_temperatures(temperature)
    opened = open_model(model)
    subject = _subject(dataset, root or data / dataset, part, training_dir)
    report = _evaluated(opened, subject, sizes_px, temperatures)
    written = () if out is None else write(report, out)
    console = Console(highlight=False)
    for grid in grids(report):
        console.print(grid.rich(), "")
    for path in written:
        console.print(escape(str(path)), soft_wrap=True)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes that `--sizes` names.

    Raises:
        TrainingError: It is not a list of sizes.
    """
    sizes = tuple(int(size) for size in text.split(",") if size.isdecimal() and _SMALLEST_PX <= int(size) <= _LARGEST_PX)
    if len(sizes) != len(text.split(",")) or len(set(sizes)) != len(sizes):
        raise TrainingError(f"--sizes: expected different sizes of {_SMALLEST_PX} to {_LARGEST_PX} pixels, as in {_SIZES}, got {text!r}")
    return sizes


def parse_temperatures(text: str) -> GivenTemperatures:
    """Return the temperatures that `--temperature` names.

    Raises:
        TrainingError: It is neither `auto` nor one or two temperatures.
    """
    from training.evaluation.run import GivenTemperatures  # noqa: PLC0415 - --help must not wait for it

    if text == "auto":
        return GivenTemperatures()
    try:
        age, gender = (float(value) for value in (text if "," in text else f"{text},{text}").split(","))
    except ValueError:
        age = gender = 0.0
    low, high = _TEMPERATURES
    if not (low <= age <= high and low <= gender <= high):
        raise TrainingError(f"--temperature: expected auto, or one or two numbers from {low} to {high} (AGE,GENDER), got {text!r}")
    return GivenTemperatures(age=age, gender=gender)


def _subject(dataset: str, root: Path, part: str, training_dir: Path) -> Subject:
    from training.aligned import aligned  # noqa: PLC0415 - --help must not wait for the detector's libraries
    from training.evaluation.run import Subject  # noqa: PLC0415 - as above
    from training.split import split  # noqa: PLC0415 - as above

    opened = open_dataset(dataset, root)
    faces = aligned(opened, training_dir / "aligned", Console(stderr=True, highlight=False))
    chosen = faces.take(split(faces, held_out=opened.held_out).validation) if part == "validation" else faces
    return Subject(faces=chosen, dataset=dataset, part=part)


def _evaluated(model: Model, subject: Subject, sizes_px: tuple[int, ...], temperatures: GivenTemperatures) -> Report:
    from training.evaluation.run import evaluate as measure  # noqa: PLC0415 - --help must not wait for it
    from training.evaluation.run import rounds  # noqa: PLC0415 - as above

    with faces_progress(Console(stderr=True)) as progress:
        task = progress.add_task(f"judging {subject.dataset}", total=len(subject.faces) * rounds(sizes_px))
        return measure(model, subject, sizes_px=sizes_px, temperatures=temperatures, on_batch=lambda faces: progress.advance(task, faces))
