"""A report as pictures; each is drawn from the report alone, so that a stored one can be drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FormatStrFormatter

from training.evaluation.tables import TASK_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from training.evaluation.report import Calibration, Confusion, Density, Reliability, Report, Section

_BLUE, _ORANGE, _GREEN, _GRAY = "#0072B2", "#D55E00", "#009E73", "#888888"  # apart for colour-blind people (Okabe and Ito)
_DPI = 120
_MIN_FACES = 10  # behind a point of a curve
_LEAST_SHOWN = 0.005
_DARK = 0.55  # shares above it are written in white


def save_plots(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write what the report has figures for as PNG, and return the files."""
    drawn = plots(report)
    for name, picture in drawn.items():
        picture.savefig(folder / name, dpi=_DPI, metadata={"Software": None})  # the same bytes, whatever draws it
    return tuple(folder / name for name in drawn)


def plots(report: Report) -> dict[str, Picture]:
    """Return what the report has figures for, by the name of its file."""
    drawn = {
        "ages.png": _ages(report),
        "distribution.png": _distribution(report),
        "confusion.png": _confusions(report),
        "reliability.png": _reliability(report),
        "sizes.png": _sizes(report),
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _canvas(report: Report, title: str, widths: Sequence[float], height: float = 4.6) -> tuple[Picture, list[Axes]]:
    """Return a picture with as many axes as widths (inches) beside each other."""
    picture = Picture(figsize=(sum(widths), height), layout="constrained")
    found = picture.subplots(1, len(widths), squeeze=False, width_ratios=widths)
    part = "" if report.part == "all" else f", {report.part} part"
    picture.suptitle(f"{title}\n", fontweight="bold", fontsize=12)
    picture.text(0.5, 0.93, f"{report.model} on {report.dataset}{part}", ha="center", fontsize=9, color=_GRAY)
    return picture, list(found[0])


def _ages(report: Report) -> Picture | None:
    density = report.density
    if density is None:
        return None
    picture, (axes,) = _canvas(report, "Estimated against labelled age", [6.4], 5.6)
    counts = np.array(density.counts)
    shown = counts.T if density.exact else counts.T / np.maximum(counts.sum(axis=1), 1)
    norm = LogNorm(0.4, max(2, counts.max())) if density.exact else PowerNorm(0.5, vmin=0)  # one face is to be seen
    mesh = axes.pcolormesh(density.true_edges, density.estimated_edges, np.ma.masked_equal(shown, 0), cmap="Blues", norm=norm)
    label = "faces in a cell of 2 x 2 years" if density.exact else "share of the label's faces per 2 years"
    picture.colorbar(mesh, ax=axes, label=label, format=FormatStrFormatter("%g"))
    axes.plot([0, 101], [0, 101], color=_GRAY, lw=1, ls="--", label="estimate = label")
    axes.plot(*_medians(density), color=_ORANGE, lw=2, marker="o", ms=3, label="median estimate")
    n = int(counts.sum())
    axes.set(xlabel=f"labelled age, years (n = {n:,})", ylabel="estimated age, years", xlim=(0, 101), ylim=(0, 101), aspect="equal")
    axes.legend(loc="upper left", frameon=False)
    return picture


def _medians(density: Density) -> tuple[list[float], list[float]]:
    """Return the middles of the labels, by five years where they are exact, and the median estimate of each."""
    counts, edges = np.array(density.counts), np.array(density.true_edges)
    middles = (np.array(density.estimated_edges[:-1]) + np.array(density.estimated_edges[1:])) / 2
    starts = np.searchsorted(edges[:-1], np.arange(0, 100, 6)) if density.exact else np.arange(len(counts))
    places, medians = [], []
    for first, last in zip(starts, [*starts[1:], len(counts)], strict=True):
        row = counts[first:last].sum(axis=0)
        if row.sum() >= _MIN_FACES:
            places.append((edges[first] + edges[last]) / 2)
            medians.append(float(middles[np.searchsorted(row.cumsum(), row.sum() / 2)]))
    return places, medians


def _distribution(report: Report) -> Picture | None:
    name = next((name for name in ("groups", "adience") if name in report.overall.confusions), None)
    if name is None:
        return None
    confusion = report.overall.confusions[name]
    counts = np.array(confusion.counts)
    n = counts.sum()
    picture, (axes,) = _canvas(report, f"Ages of the faces: {TASK_TITLES[name].lower()}", [8.0])
    shares = {
        f"labelled (n = {n:,})": (counts.sum(axis=1) / n, _GRAY),
        "estimated: likeliest": (counts.sum(axis=0) / n, _BLUE),
        "estimated: sum of probabilities": (np.array(confusion.mean_probs), _ORANGE),
    }
    for number, (label, (values, colour)) in enumerate(shares.items()):
        axes.bar(np.arange(len(values)) + 0.28 * (number - 1), 100 * values, 0.26, label=label, color=colour)
    axes.set_xticks(range(len(confusion.classes)), confusion.classes)
    axes.set(xlabel="age, years", ylabel="share of faces, %")
    axes.legend(frameon=False)
    _open(axes)
    return picture


def _confusions(report: Report) -> Picture | None:
    found = report.overall.confusions
    if not found:
        return None
    picture, panels = _canvas(report, "Labelled and judged", [2.2 + 0.5 * len(each.classes) for each in found.values()], 5.4)
    for axes, (name, confusion) in zip(panels, found.items(), strict=True):
        _draw_confusion(axes, TASK_TITLES[name], confusion)
    return picture


def _draw_confusion(axes: Axes, title: str, confusion: Confusion) -> None:
    counts = np.array(confusion.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = "" if not counts[row, column] else "<1" if share < _LEAST_SHOWN else f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if share > _DARK else "black")
    ticks = range(len(confusion.classes))
    axes.set_xticks(ticks, confusion.classes, rotation=45 if len(ticks) > 2 else 0)  # noqa: PLR2004 - two names fit side by side
    axes.set_yticks(ticks, [f"{name}\nn = {n:,}" for name, n in zip(confusion.classes, counts.sum(axis=1), strict=True)], fontsize=8)
    axes.set(xlabel="judged", ylabel="labelled", title=f"{title}: % of each row")


def _reliability(report: Report) -> Picture | None:
    found = report.calibrations
    if not found:
        return None
    picture, panels = _canvas(report, "Does a probability mean what it says?", [5.2] * len(found), 5.2)
    for axes, (name, calibration) in zip(panels, found.items(), strict=True):
        _draw_reliability(axes, TASK_TITLES[name], calibration)
    return picture


def _draw_reliability(axes: Axes, title: str, calibration: Calibration) -> None:
    before, after = calibration.before, calibration.after
    axes.plot([0, 1], [0, 1], color=_GRAY, lw=1, ls="--", label="exactly right")
    axes.plot(*_points(before), color=_BLUE, marker="o", ms=4, label=f"as it is: ECE {100 * before.ece.value:.1f}%")
    label = f"temperature {calibration.temperature:.2f}: ECE {100 * after.ece.value:.1f}%"
    axes.plot(*_points(after), color=_ORANGE, marker="s", ms=4, label=label)
    n = sum(each.n for each in before.bins)
    for each in before.bins:
        axes.bar(each.low, 0.3 * each.n / n, each.high - each.low, align="edge", color=_BLUE, alpha=0.2, lw=0)
    first = min((each.low for each in (*before.bins, *after.bins) if each.n >= _MIN_FACES), default=0.0)
    axes.set(xlabel=f"probability of the likeliest (n = {n:,}; bars: where they are)", ylabel="share that it is right of", title=title)
    axes.set(xlim=(first, 1), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.3))  # above the bars
    _open(axes)


def _points(reliability: Reliability) -> tuple[list[float], list[float]]:
    drawn = [each for each in reliability.bins if each.n >= _MIN_FACES]
    return [each.confidence for each in drawn], [each.accuracy for each in drawn]


def _sizes(report: Report) -> Picture | None:
    panels = [
        (name, label, unit)
        for name, label, unit in (
            ("age_mae", "age: mean absolute error, years", 1),
            ("groups_accuracy", "nine age groups: exact, %", 100),
            ("adience_accuracy", "Adience's eight bands: exact, %", 100),
            ("gender_accuracy", "gender: right, %", 100),
            ("people_accuracy", "people: right, %", 100),
        )
        if any(name in section.figures for section in report.by_size)
    ]
    if len(report.by_size) < 2 or not panels:  # noqa: PLR2004 - one size is no curve
        return None
    picture, found = _canvas(report, "Small faces", [4.2] * len(panels))
    for axes, (name, label, unit) in zip(found, panels, strict=True):
        _draw_sizes(axes, [section for section in report.by_size if name in section.figures], name, unit)
        axes.set(xlabel=f"height of the face, pixels (n = {report.overall.n:,})", ylabel=label)
    return picture


def _draw_sizes(axes: Axes, sections: Sequence[Section], name: str, unit: int) -> None:
    figures = [section.figures[name] for section in sections]
    values = unit * np.array([each.value for each in figures])
    reach = unit * np.abs(np.array([[each.low for each in figures], [each.high for each in figures]]) - values / unit)
    axes.errorbar(range(len(figures)), values, reach, color=_GREEN, marker="o", capsize=4, lw=1.5)
    for place, (value, following) in enumerate(zip(values, [*values[1:], 0], strict=True)):
        beside = (8, -13) if following > value else (8, 4)  # off the line
        axes.annotate(f"{value:.1f}", (place, value), xytext=beside, textcoords="offset points", fontsize=9)
    axes.set_xticks(range(len(figures)), [section.name for section in sections])
    axes.margins(x=0.15, y=0.2)
    _open(axes)


def _open(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(b=False)
    axes.grid(axis="y", color="#DDDDDD", lw=0.6)
    axes.set_axisbelow(True)
