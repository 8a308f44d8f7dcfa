"""Writes a report: JSON, Markdown and plots in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.errors import TrainingError
from training.evaluation.intervals import MIN_FACES, RESAMPLES
from training.evaluation.plots import save_plots
from training.evaluation.tables import grids

if TYPE_CHECKING:
    from pathlib import Path

    from training.evaluation.report import Report


def write(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write `evaluation.json`, `evaluation.md` and the plots into a folder, made where it is not there; return the files.

    Raises:
        TrainingError: The folder cannot be written to.
    """
    document, text = folder / "evaluation.json", folder / "evaluation.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report.save(document)
        plots = save_plots(report, folder)
        text.write_text(markdown(report, [plot.name for plot in plots]), "utf-8")
    except OSError as error:
        raise TrainingError(f"the evaluation cannot be written to {folder}: {error.strerror}") from None
    return (document, text, *plots)


def markdown(report: Report, plots: list[str]) -> str:
    """Return the report as a page; `plots` are files beside it."""
    head = (
        f"# {report.model} on {report.dataset}\n\n"
        f"{report.overall.n:,} faces ({report.part}; SHA-256 of their sorted keys `{report.keys_sha256}`), "
        f"crops by `{report.crop_recipe}`, ONNX file SHA-256 `{report.sha256}`. Intervals: 95%, percentile bootstrap over faces, "
        f"{RESAMPLES} drawings; of fewer than {MIN_FACES} faces no figure is claimed.\n"
    )
    tables = "\n".join(grid.markdown() for grid in grids(report))
    pictures = "\n".join(f"![{name.removesuffix('.png')}]({name})\n" for name in plots)
    return "\n".join((head, tables, *([pictures] if pictures else [])))
