"""The table of all models in `triton_models/README.md`, from their reports and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.errors import TrainingError
from training.figures_table import cell
from training.valid_range import weakest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.evaluation.report import Report
    from training.released import Released

BEGIN, END = "<!-- compared by headcount-train compare -->", "<!-- end -->"
_SMALL_PX = "32"
_COLUMNS = (
    ("groups_accuracy", "9 groups"),
    ("groups_one_off", "at most one off"),
    ("age_mae", "MAE, years"),
    ("gender_accuracy", "gender"),
    ("gender_accuracy_adults", "gender, 18+"),
)


def compared(models: Sequence[Released]) -> str:
    """Return a table for each data set that several models were measured on, the same faces in each.

    Raises:
        TrainingError: Two models were measured on other faces of the same data set.
    """
    every = [(model, report) for model in models for report in model.reports]
    datasets = sorted({report.dataset for _, report in every})
    return "\n\n".join(_table(dataset, [pair for pair in every if pair[1].dataset == dataset]) for dataset in datasets)


def with_table(page: str, table: str) -> str:
    """Return a page of Markdown with the table between its marks.

    Raises:
        TrainingError: It has no such place.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TrainingError(f"the README has no place for the table: a line {BEGIN} and a line {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def write_table(repository: Path, models: Sequence[Released]) -> Path:
    """Write the table into the repository's README; return its file.

    Raises:
        TrainingError: It has no place for it.
    """
    path = repository / "README.md"
    try:
        page = path.read_text("utf-8")
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from None
    path.write_text(with_table(page, compared(models)), "utf-8")
    return path


def _table(dataset: str, measured: Sequence[tuple[Released, Report]]) -> str:
    first = measured[0][1]
    for model, report in measured:
        if report.keys_sha256 != first.keys_sha256:
            raise TrainingError(f"{model.name} was measured on other faces of {dataset} than {measured[0][0].name}; evaluate both again")
    shown = [(name, title) for name, title in _COLUMNS if any(name in report.overall.figures for _, report in measured)]
    header = ["", "MB", *(title for _, title in shown), "gender at 32 pixels", "its weakest race label"]
    lines = [header, ["---", *("---:" for _ in header[1:])]]
    lines += [_row(model, report, [name for name, _ in shown]) for model, report in measured]
    part = "validation part" if first.part == "validation" else "all"
    return f"**{dataset}**, {part}, {first.overall.n:,} faces:\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(model: Released, report: Report, names: Sequence[str]) -> list[str]:
    small = next((section for section in report.by_size if section.name == _SMALL_PX), None)
    return [
        f"[`{model.name}`]({model.name}/CARD.md){_note(model, report)}",
        f"{model.size / 1e6:.1f}",
        *(cell(name, report.overall.figures.get(name)) for name in names),
        cell("gender_accuracy", small.figures.get("gender_accuracy") if small else None),
        _weakest(report),
    ]


def _note(model: Released, report: Report) -> str:
    """Say where a model has a harder or an easier task than the others."""
    if model.provenance is None:
        return ", not trained here"
    return "" if report.dataset in model.provenance.data else ", never trained on it"


def _weakest(report: Report) -> str:
    found = weakest(report.by_group, "gender_accuracy")
    return "-" if found is None else f"{100 * found.figure.value:.1f}% ({found.name.replace('_', '/')})"
