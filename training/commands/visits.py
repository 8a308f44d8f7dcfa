"""`headcount-train visits`: how right the counted visits of a clip are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.visits import Comparison, Pair

_JSON = ".json"
_KEEPING = ("HEADCOUNT_DATABASE_URL", "HEADCOUNT_KAFKA_")


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

    environment = without_keeping(os.environ) | ({"HEADCOUNT_MODEL": model} if model else {})
    command = [_headcount(), "run", str(clip), "--json", "--no-ray", "--start", START.strftime("%Y-%m-%dT%H:%M:%S")]
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - the product's own command
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise TrainingError(f"headcount run ended with {ended.returncode} and said: {said[-1]}")
    return ended.stdout


def without_keeping(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment less what would have `headcount run` keep a clip's rows among those of cameras: a database, Kafka.

    Raises:
        TrainingError: The file that HEADCOUNT_CONFIG names says so.
    """
    kept = {name: value for name, value in environment.items() if not name.upper().startswith(_KEEPING)}
    try:
        config = tomllib.loads(Path(kept.get("HEADCOUNT_CONFIG", os.devnull)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kept  # headcount run says what is wrong with it
    found = [name for name in config if f"HEADCOUNT_{name}".upper().startswith(_KEEPING)]
    if found:
        raise TrainingError(f"{kept['HEADCOUNT_CONFIG']} sets {found[0]}: a clip is not counted into a database or Kafka; take it out")
    return kept


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
