"""A model's card: written from what its file says of itself, its recipe among that, and from the reports beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from training.credits import credit_lines
from training.errors import TrainingError
from training.figures_table import NOTE, figures_table
from training.recipe import shipped
from training.released import read_released
from training.valid_range import MAY_LOSE, hard_ages, least_pose, least_quality, smallest_face_px, weakest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.evaluation.report import Report
    from training.provenance import Provenance
    from training.recipe import Recipe
    from training.released import Released

CARD = "CARD.md"
_DATASETS = {"fairface": "FairFace", "utkface": "UTKFace", "adience": "Adience", "appa_real": "APPA-REAL", "imdb_wiki": "IMDB-WIKI"}
_GOLDEN = "`golden.png` is the crop of NASA's portrait of Eileen Collins (public domain), `golden.json` what the model says of it."
_GROUPS, _AGES = "race label", "age"


def write_card(folder: Path) -> Path:
    """Write a model's card; return its file.

    Raises:
        TrainingError: As `card`; or a report is of another network.
    """
    path = folder / CARD
    path.write_text(card(read_released(folder)), encoding="utf-8")
    return path


def card(model: Released) -> str:
    """Return the card as Markdown.

    Raises:
        TrainingError: The file does not say how it was made, or nothing has measured it.
    """
    if model.provenance is None:
        raise TrainingError(f"{model.path} does not say how it was made; only what headcount-train export has written has such a card")
    if not model.reports:
        raise TrainingError(f"there is no report beside {model.path}; evaluate it first (headcount-train release does)")
    made = model.provenance
    recipe = shipped(made.recipe) or made.recipe  # what is said of it in words may have been corrected since
    parts = [
        f"# {model.name}, version {model.version}\n\n{recipe.summary}\n\n{_facts(model, made)}",
        "## Meant for\n" + _meant_for(model.reports),
        "## Data\n" + "\n".join(credit_lines(made.data)) + "\n\nAligned by the serving path's own detector and `align` stage.",
        "## Training\n" + _training(made, recipe),
        *(_measured(report, made) for report in model.reports),
        "## Valid range and known failures\n" + "\n".join(_limits(model.reports, recipe)),
        f"## Golden picture\n{_GOLDEN}",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(model: Released, made: Provenance) -> str:
    recipe = made.recipe
    network = onnx.load(model.path)
    weights = sum(_count(tensor) for tensor in network.graph.initializer)
    rows = {
        "weights": f"`{model.version}/model.onnx`, {model.size:,} bytes, SHA-256 `{model.sha256}`",
        "licence": f"{recipe.licence}; credit: below and in NOTICE",
        "network": f"`{recipe.network}`, {weights / 1e6:.2f} M weights stored as {'float16' if recipe.half else 'float32'}, "
        f"ONNX opset {network.opset_import[0].version}" + ("; averages the face and its mirror image" if recipe.flip else ""),
        "contract": "[`../README.md`](../README.md); estimate of age = sum of p x years",
        "crop recipe": f"`{made.crop_recipe}` ([docs/models.md](../../docs/models.md))",
        "recipe": _recipe(recipe),
        "trained": f"{made.epochs} of {recipe.epochs} epochs, {_duration(made.cpu_hours)} of processor time"
        + (", those of what it began with included" if recipe.start else ""),
        "temperatures": f"{_temperatures(model.reports[0], made)}, fitted on validation faces, in the graph",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in rows.items())


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def _recipe(recipe: Recipe) -> str:
    if shipped(recipe) is None:
        return f"`{recipe.name}`, seed {recipe.seed}: none of this repository; it stands in the file's metadata (`recipe_json`)"
    return f"[`{recipe.name}`](../../training/recipes/{recipe.name}.toml), seed {recipe.seed}: `make train RECIPE={recipe.name}`"


def _temperatures(report: Report, made: Provenance) -> str:
    heads = (("age", report.knows_age, made.age_temperature), ("gender", report.knows_gender, made.gender_temperature))
    return ", ".join(f"{name} {temperature:.2f}" for name, known, temperature in heads if known)


def _count(tensor: onnx.TensorProto) -> int:
    size = 1
    for side in tensor.dims:
        size *= side
    return size if tensor.data_type in {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16} else 0


def _meant_for(reports: tuple[Report, ...]) -> str:
    silent = [head for head, known in (("Age", reports[0].knows_age), ("Gender", reports[0].knows_gender)) if not known]
    left_out = "".join(f" {head} is not estimated by this model: its probabilities are even." for head in silent)
    return (
        "Counts and distributions over many visits: how an audience divides into age bands and genders. Both are *apparent*: what a face\n"
        "looks like to annotators, not who somebody is. Not meant for decisions about a person, for checking anybody's age, or for\n"
        f"telling people apart.{left_out}"
    )


def _training(made: Provenance, recipe: Recipe) -> str:
    stages = ", ".join(f"{stage.epochs} epoch{'s' * (stage.epochs > 1)} at {stage.side_px} pixels" for stage in recipe.stages)
    lines = [
        f"Planned: {stages}; batch {recipe.batch}, bf16; matrices by Muon, the rest by AdamW; weights averaged ({recipe.average}).",
        "Faces are turned, moved, scaled, mirrored, and damaged as cameras do it (light, motion, distance, compression, noise, cover).",
    ]
    if recipe.mix:
        lines.append(f"Two faces of a batch become one, in shares of a Beta distribution ({recipe.mix:g}).")
    if made.epochs < recipe.epochs:
        lines.append(f"**It was ended early**, after {made.epochs} of {recipe.epochs} epochs.")
    if recipe.start:
        taught = f", whose answers to undamaged faces are {recipe.teach:.0%} of what it learns" if recipe.teach else ""
        lines.append(f"It began with the weights of the recipe `{recipe.start}`{taught}.")
    if recipe.departs:
        lines.append(f"Other than in the literature: {recipe.departs}.")
    return "\n".join(lines)


def _measured(report: Report, made: Provenance) -> str:
    part = "The validation part, which no recipe trains on" if report.part == "validation" else "All of it"
    remark = "**Nothing of this data set was trained on.**"
    if report.dataset in made.data:
        remark = "Recipe and temperatures were chosen on that part: calibration and figures are a little better on it than on other faces."
    file = f"evaluation/{report.dataset}.json"
    return (
        f"## Measured on {_DATASETS.get(report.dataset, report.dataset)}\n{part}: {report.overall.n:,} faces. {remark}\n\n"
        f"{figures_table(report)}\n\n{NOTE} More: [`{file}`]({file})."
    )


def _limits(reports: tuple[Report, ...], recipe: Recipe) -> Iterator[str]:
    smallest = smallest_face_px(reports)
    if smallest is not None:
        yield f"- Faces from {smallest} pixels of height on: down to there {_losing(reports[0])} at most {100 * MAY_LOSE:.0f} points."
    pose = least_pose(reports)
    if pose is not None:
        yield f"- Faces turned down to a pose of {pose:g} (1: frontal), by the same measure."
    quality = least_quality(reports)
    if quality is not None:
        yield (
            f"- Crops of a quality of {quality:g} and more, by the same measure: size, pose, sharpness, the picture's edge and "
            "the detector's score in one ([docs/models.md](../../docs/models.md))."
        )
    for report in reports:
        hard = ", ".join(f"{section.name} ({100 * section.figures['groups_one_off'].value:.1f}%)" for section in hard_ages(report))
        if hard:
            yield f"- Ages at most one group off are rarer, by more than {100 * MAY_LOSE:.0f} points, among those aged {hard}{_of(report)}."
        yield from _weakest(report)
    yield from (f"- {failure}" for failure in recipe.failures)
    yield (
        "- Not measured: masks, hands and phones before the face, thermal or infrared cameras, drawings. Whatever it is given, the "
        "answer looks like an answer."
    )


def _losing(report: Report) -> str:
    if not report.knows_age:
        return "gender loses"
    return "gender, and ages at most one group off, lose" if report.knows_gender else "ages at most one group off lose"


def _of(report: Report) -> str:
    return f" of {_DATASETS.get(report.dataset, report.dataset)}"


def _weakest(report: Report) -> Iterator[str]:
    for sections, kind in ((report.by_group, _GROUPS), (report.by_age, _AGES)):
        for measure, title in (("gender_accuracy", "Gender"), ("groups_accuracy", "The age group")):
            found = weakest(sections, measure)
            if found is not None and not (kind == _GROUPS and measure == "groups_accuracy"):
                yield (
                    f"- {title} is least often right, by {kind}, for {found.name.replace('_', '/')}: {100 * found.figure.value:.1f}% of "
                    f"{found.figure.n:,} faces{_of(report)}."
                )
