"""A report as tables: for the terminal and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from training.evaluation.intervals import MIN_FACES
from training.evaluation.measures import IN_NATS, IN_YEARS, TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.evaluation.intervals import Figure
    from training.evaluation.report import Calibration, Confusion, Report, Section

ABSENT = "-"
TEMPERED = (
    "The model's file already divides by temperatures, fitted on the validation part of what it was trained on: "
    "on these faces its calibration looks better than on others."
)
TASK_TITLES = {
    "gender": "Gender",
    "groups": "Nine age groups",
    "adience": "Adience's eight bands",
    "generations": "Six generations",
    "people": "People",
}

_COLUMNS = {
    "age_mae": "MAE",
    "age_bias": "bias",
    "groups_accuracy": "9 groups",
    "groups_one_off": "one-off",
    "groups_ece": "their ECE",
    "adience_accuracy": "8 bands",
    "adience_one_off": "one-off",
    "gender_accuracy": "gender",
    "gender_accuracy_adults": "18+",
    "gender_ece": "its ECE",
    "people_accuracy": "people",
}
"""Of the tables of subsets."""
_HALVES_NOTE = f"±: half of the 95% interval. {ABSENT}: not known, or fewer than {MIN_FACES} faces, of which no figure is claimed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def rich(self) -> Table:
        """Return it for the terminal."""
        table = Table(
            title=escape(self.title),
            caption=escape(self.note) or None,
            title_justify="left",
            caption_justify="left",
            box=None,
            pad_edge=False,
        )
        for number, name in enumerate(self.header):
            table.add_column(escape(name), justify="right" if number else "left", no_wrap=not number)
        for row in self.rows:
            table.add_row(*(escape(cell) for cell in row))
        return table

    def markdown(self) -> str:
        """Return it as a section of Markdown."""
        lines = [self.header, ("---", *("---:" for _ in self.header[1:])), *self.rows]
        body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return f"## {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")


def grids(report: Report) -> tuple[Grid, ...]:
    """Return all tables of a report."""
    subsets = (
        ("By face size (height of the detector's box in pixels; 112: as it is)", report.by_size, "", "faces"),
        ("By pose (1: frontal), of faces that the detector found", report.by_pose, "", "faces"),
        ("By sharpness (1: sharp)", report.by_sharpness, "", "faces"),
        ("By crop quality (HEADCOUNT_CROP_MIN_QUALITY), each face once at each size", report.by_quality, "", "crops"),
        ("By labelled age", report.by_age, "groups_ece", "faces"),
        ("By labelled gender", report.by_gender, "gender_ece", "faces"),
        ("By race label of the data set", report.by_group, "", "faces"),
    )
    found = [_overall(report)]
    found += [
        _subsets(title, sections, left_out, counted)
        for title, sections, left_out, counted in subsets
        if any(section.figures for section in sections)
    ]
    found += [_confusion(TASK_TITLES[name], each) for name, each in report.overall.confusions.items()]
    return (*found, _calibrations(report)) if report.calibrations else tuple(found)


def _overall(report: Report) -> Grid:
    figures = report.overall.figures
    rows = tuple((title, _with_interval(name, figures[name]), str(figures[name].n)) for name, title in TITLES.items() if name in figures)
    silent = [head for head, known in (("age", report.knows_age), ("gender", report.knows_gender)) if not known]
    notes = [f"{head.capitalize()}: not estimated by this model." for head in silent]
    if report.overall.n < MIN_FACES:
        notes.append(f"Of {report.overall.n} faces, fewer than {MIN_FACES}, no figure is claimed.")
    elif not figures:
        notes.append("The data set has no labels of what this model estimates.")
    return Grid(title="All faces", header=("measure", "value [95% interval]", "faces"), rows=rows, note=" ".join(notes))


def _subsets(title: str, sections: Sequence[Section], left_out: str, counted: str) -> Grid:
    """Return one row for each section; `left_out` is a figure that means nothing where all faces are of one class."""
    names = [name for name in _COLUMNS if name != left_out and any(name in section.figures for section in sections)]
    rows = tuple((section.name, str(section.n), *(_with_half(name, section.figures.get(name)) for name in names)) for section in sections)
    return Grid(
        title=title,
        header=("", counted, *(_COLUMNS[name] for name in names)),
        rows=rows,
        note=f"In years (MAE, bias) and %. {_HALVES_NOTE}",
    )


def _confusion(title: str, confusion: Confusion) -> Grid:
    rows = [
        (name, *(str(count) for count in counts), str(sum(counts)), _with_half("", recall), _with_half("", precision))
        for name, counts, recall, precision in zip(confusion.classes, confusion.counts, confusion.recall, confusion.precision, strict=True)
    ]
    judged = [sum(column) for column in zip(*confusion.counts, strict=True)]
    return Grid(
        title=f"{title}: labelled (rows) and judged (columns)",
        header=("", *confusion.classes, "labelled", "recall %", "precision %"),
        rows=(*rows, ("judged", *(str(count) for count in judged), str(sum(judged)), "", "")),
        note=_HALVES_NOTE,
    )


def _calibrations(report: Report) -> Grid:
    fitted = any(each.fitted for each in report.calibrations.values())
    own = f" {TEMPERED}" if report.tempered and report.part == "validation" else ""
    return Grid(
        title="Calibration",
        header=("", "temperature", "ECE %", "with it", "by chance", "NLL", "with it"),
        rows=tuple((TASK_TITLES[name], *_calibration(each)) for name, each in report.calibrations.items()),
        note="By chance: what exactly right probabilities would show for so many faces. "
        + ("The temperatures are the likeliest on these faces." if fitted else "The temperatures were given.")
        + own,
    )


def _calibration(each: Calibration) -> tuple[str, ...]:
    before, after = each.before, each.after
    chance = f"{100 * before.ece_by_chance:.1f}"
    nll = (f"{before.nll.value:.3f}", f"{after.nll.value:.3f}")
    return (f"{each.temperature:.2f}", _with_half("", before.ece), _with_half("", after.ece), chance, *nll)


def _with_interval(name: str, figure: Figure) -> str:
    """Return "90.8% [89.8, 91.7]", or years or nats."""
    if name in IN_YEARS:
        return f"{figure.value:.2f} years [{figure.low:.2f}, {figure.high:.2f}]"
    if name in IN_NATS:
        return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
    return f"{100 * figure.value:.1f}% [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def _with_half(name: str, figure: Figure | None) -> str:
    """Return "90.8 ±1.0" (per cent, or years)."""
    if figure is None:
        return ABSENT
    unit = 1 if name in IN_YEARS else 100
    return f"{unit * figure.value:.1f} ±{unit * (figure.high - figure.low) / 2:.1f}"
