"""One report as one table: all faces, then those of each size, gender, race label and age."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.evaluation.intervals import Figure
    from training.evaluation.report import Report, Section

COLUMNS = {
    "age_mae": "MAE, years",
    "age_bias": "bias, years",
    "age_cs5": "within 5 years",
    "groups_accuracy": "9 groups",
    "groups_one_off": "at most one off",
    "gender_accuracy": "gender",
    "gender_accuracy_adults": "gender, 18+",
}
_IN_YEARS = {"age_mae", "age_bias"}
NOTE = "±: half of the 95% interval (bootstrap over faces); -: not known, or of fewer than 30 faces."


def figures_table(report: Report) -> str:
    """Return it as Markdown."""
    names = [name for name in COLUMNS if name in report.overall.figures]
    header = ["", "faces", *(COLUMNS[name] for name in names)]
    lines = [header, ["---", *("---:" for _ in header[1:])]]
    for title, section in _rows(report):
        lines.append([title, f"{section.n:,}", *(cell(name, section.figures.get(name)) for name in names)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(name: str, figure: Figure | None) -> str:
    """Return "90.8% ±1.0", or years; "-" where there is none."""
    if figure is None:
        return "-"
    half = (figure.high - figure.low) / 2
    return f"{figure.value:.1f} ±{half:.1f}" if name in _IN_YEARS else f"{100 * figure.value:.1f}% ±{100 * half:.1f}"


def _rows(report: Report) -> Iterator[tuple[str, Section]]:
    yield "**all**", report.overall
    as_it_is = max((int(section.name) for section in report.by_size), default=0)
    yield from _titled("{} pixels high", [section for section in report.by_size if int(section.name) < as_it_is])
    yield from _titled("pose {}", report.by_pose)
    yield from _titled("sharpness {}", report.by_sharpness)
    yield from _titled("crops of quality {}", report.by_quality)
    yield from _titled("labelled {}", report.by_gender)
    yield from _titled("labelled {}", report.by_group)
    yield from _titled("aged {}", report.by_age)


def _titled(title: str, sections: Sequence[Section]) -> Iterator[tuple[str, Section]]:
    return ((title.format(section.name.replace("_", "/")), section) for section in sections)
