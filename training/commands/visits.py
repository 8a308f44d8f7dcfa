"""`headcount-train visits`: how right the counted visits of a clip are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.errors import TrainingError

if TYPE_CHECKING:
    from training.visits import Comparison, Pair

_JSON = ".json"


def visits(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Who is really seen: a file as docs/training.md describes it.")],
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="The video; or the .json of headcount run --start 2000-01-01 --json.")],
    model: Annotated[str | None, typer.Option("--model", help="A model of the repository (HEADCOUNT_MODEL).")] = None,
) -> None:
    """Let headcount count a clip, and compare its visits with the people who are seen in it."""
    from training.truth import load_truth  # noqa: PLC0415 - --help must not wait for NumPy
    from training.visits import compare, read_visits  # noqa: PLC0415 - as above

    known = load_truth(truth)
    found = compare(known, read_visits(_document(clip, model)))
    Console(highlight=False).print(_table(found), "", *_lines(found), sep="\n")


def _document(clip: Path, model: str | None) -> bytes:
    if not clip.is_file():
        raise TrainingError(f"there is no file {clip}")
    if clip.suffix == _JSON:
        return clip.read_bytes()
    from training.visits import START  # noqa: PLC0415 - --help must not wait for NumPy

    command = [_headcount(), "run", str(clip), "--json", "--no-ray", "--start", START.strftime("%Y-%m-%dT%H:%M:%S")]
    ended = subprocess.run(command, env=environ | ({"HEADCOUNT_MODEL": model} if model else {}), capture_output=True, check=False)  # noqa: S603 - the product's own command
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise TrainingError(f"headcount run ended with {ended.returncode} and said: {said[-1]}")
    return ended.stdout


def _headcount() -> str:
    """Return the command of this environment, or the one on the path."""
    beside = Path(sys.executable).with_name("headcount")
    found = str(beside) if beside.is_file() else shutil.which("headcount")
    if not found:
        raise TrainingError("the command headcount is neither beside this Python nor on the path")
    return found


def _table(found: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, side in (
        ("person", "left"),
        ("gender", "left"),
        ("counted as", "left"),
        ("ages", "right"),
        ("estimate", "right"),
        ("band", "left"),
    ):
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for pair in found.pairs:
        table.add_row(*_row(pair), style=None if pair.gender_right and pair.band_right else "red")
    return table


def _row(pair: Pair) -> tuple[str, ...]:
    name = f"{pair.name} (need not be counted)" if pair.person.optional else pair.name
    age = "-" if pair.visit.age is None else f"{pair.visit.age:.0f}"
    low, high = pair.person.ages
    return escape(name), pair.person.gender, pair.visit.gender, f"{low}-{high}", age, pair.visit.age_band


def _lines(found: Comparison) -> list[str]:
    off = [years for pair in found.pairs if (years := pair.years_off) is not None]
    return [
        f"people who should be a visit: {found.people}; missed: {', '.join(found.missed) or 'none'}; visits of nobody: {len(found.extra)}",
        f"genders right: {found.genders_right} of {found.people}",
        f"age bands right: {found.bands_right} of {found.people}"
        + (f"; estimates lie {sum(off) / len(off):.1f} years outside the plausible ages on average" if off else ""),
        f"error of the clip's shares (total variation): genders {found.gender_error:.1%}, age bands {found.band_error:.1%}",
    ]
