"""Evaluations of faces of which the answer is known, and of the model that comes along."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from pipeline.resources import resource
from tests.training.drawn import drawn_faces
from tests.training.onnx_models import write_model
from tests.training.painted import labelled, paint, painted_model
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.plots import plots, save_plots
from training.evaluation.report import load_report
from training.evaluation.run import GivenTemperatures, Subject, evaluate, rounds
from training.evaluation.tables import TEMPERED, grids
from training.evaluation.write import markdown, write

if TYPE_CHECKING:
    from pathlib import Path

    from training.evaluation.report import Report
    from training.faces import Faces

COUNT = 200
SIZES = (112, 32)
PLOTS = ["ages.png", "distribution.png", "confusion.png", "reliability.png", "sizes.png"]


def wrong_in_part() -> Faces:
    """Return 200 faces: every fourth is judged ten years too old, every fifth of the other gender."""
    dice = np.random.default_rng(7)
    age, gender = dice.integers(3, 90, COUNT), dice.integers(0, 2, COUNT)
    judged = age + 10 * (np.arange(COUNT) % 4 == 0)
    male = np.where(np.arange(COUNT) % 5 == 0, 1 - gender, gender)
    group = np.where(np.arange(COUNT) < 180, "many", "few")
    return labelled(
        paint(judged.tolist(), np.where(male == 1, 230, 25).tolist()), age_low=age, age_high=age, gender=gender, group=group
    )  # fmt: skip


def on(faces: Faces) -> Subject:
    return Subject(faces=faces, dataset="painted", part="all")


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(painted_model(), on(wrong_in_part()), sizes_px=SIZES)


def test_what_is_known_is_found(report: Report) -> None:
    figures = report.overall.figures
    assert figures["age_mae"].value == 2.5
    assert figures["age_bias"].value == 2.5
    assert figures["age_cs5"].value == 0.75
    assert figures["gender_accuracy"].value == 0.8
    assert figures["groups_one_off"].value == 1
    assert report.calibrations["gender"].before.ece.value == pytest.approx(230 / 255 - 0.8, abs=1e-4)
    assert [(each.name, each.n) for each in report.by_group] == [("few", 20), ("many", 180)]
    assert not report.by_group[0].figures
    assert [each.name for each in report.by_size] == ["112", "32"]
    assert report.by_size[0].figures == figures == report.by_size[1].figures  # one colour looks the same at any size
    assert sum(each.n for each in report.by_age) == sum(each.n for each in report.by_gender) == COUNT
    assert report.density is not None
    assert np.array(report.density.counts).sum() == COUNT


def test_the_order_of_the_faces_does_not_matter(report: Report) -> None:
    order = np.random.default_rng(8).permutation(COUNT)
    assert evaluate(painted_model(), on(wrong_in_part().take(order)), sizes_px=SIZES) == report


def test_a_report_is_read_as_it_was_written(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "evaluation.json")
    assert load_report(tmp_path / "evaluation.json") == report


def test_everything_is_written(report: Report, tmp_path: Path) -> None:
    written = write(report, tmp_path / "new" / "folder")
    assert [path.name for path in written] == ["evaluation.json", "evaluation.md", *PLOTS]
    for path in written[2:]:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.std() > 10  # not a blank page
    page = written[1].read_text("utf-8")
    assert "| age: mean absolute error | 2.50 years [" in page
    assert "| few | 20 | - |" in page
    assert all(f"]({name})" in page for name in PLOTS)


def test_a_folder_that_cannot_be_written_is_told(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="the evaluation cannot be written to"):
        write(report, tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "told"),
    [({"surprise": 1}, "surprise: Unexpected keyword argument"), ({"overall": {}}, "overall.name: Field required"), (None, "Invalid JSON")],
)
def test_what_is_no_report_is_told(report: Report, tmp_path: Path, change: dict[str, object] | None, told: str) -> None:
    path = tmp_path / "evaluation.json"
    report.save(path)
    path.write_text("{" if change is None else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(TrainingError, match=f"evaluation.json is no report of an evaluation: .*{told}"):
        load_report(path)
    with pytest.raises(TrainingError, match="cannot be read: No such file"):
        load_report(tmp_path / "absent.json")


def test_a_model_of_gender_alone_has_no_figures_of_age(tmp_path: Path) -> None:
    """Its answer is the brightness: faces of 100 and 155 of 255 in every colour."""
    gender = np.arange(60) % 2
    canvases = paint([0] * 60, [0] * 60)
    canvases[:] = np.where(gender, 100, 155)[:, None, None, None]
    faces = labelled(canvases, gender=gender, age_low=[30] * 60, age_high=[30] * 60)
    found = evaluate(open_model(write_model(tmp_path / "gender.onnx")), on(faces), sizes_px=(112,))
    assert not found.knows_age
    assert found.overall.figures["gender_accuracy"].value == 1
    assert found.overall.confusions.keys() == found.calibrations.keys() == {"gender"}
    assert not any(name.startswith(("age", "groups")) for each in (found.overall, *found.by_age) for name in each.figures)
    assert found.density is None
    assert "Age: not estimated by this model." in grids(found)[0].note
    assert list(plots(found)) == ["confusion.png", "reliability.png"]


def test_bands_without_years_have_a_density_by_band() -> None:
    low, high = np.array([(0, 2), (20, 29), (70, 100)] * 12).T
    found = evaluate(painted_model(), on(labelled(paint([1, 31, 65] * 12, [9] * 36), age_low=low, age_high=high)), sizes_px=(112,))
    assert "age_mae" not in found.overall.figures
    assert found.density is not None
    assert not found.density.exact
    assert [sum(row) for row in found.density.counts] == [12, 0, 0, 12, 0, 0, 0, 0, 12]
    assert list(plots(found)) == ["ages.png", "distribution.png", "confusion.png", "reliability.png"]


def test_of_few_faces_nothing_is_claimed() -> None:
    faces = wrong_in_part().take(np.arange(29))
    found = evaluate(painted_model(), on(faces), sizes_px=SIZES)
    assert not found.overall.figures
    assert "Of 29 faces, fewer than 30, no figure is claimed." in grids(found)[0].note
    assert list(plots(found)) == ["ages.png"]


def test_a_curve_without_points_is_drawn_all_the_same(tmp_path: Path) -> None:
    """Thirty faces in as many probabilities: no bin holds enough of them."""
    faces = labelled(paint([0] * 30, [*range(130, 250, 4)]), gender=[1] * 30)
    found = evaluate(painted_model(), on(faces), sizes_px=(112,))
    assert max(each.n for each in found.calibrations["gender"].before.bins) < 10
    assert [path.name for path in save_plots(found, tmp_path)] == ["confusion.png", "reliability.png"]


def test_given_temperatures_are_of_their_heads() -> None:
    found = evaluate(painted_model(), on(wrong_in_part()), sizes_px=(112,), temperatures=GivenTemperatures(age=2.0, gender=0.5))
    assert {name: (each.temperature, each.fitted) for name, each in found.calibrations.items()} == {
        "gender": (0.5, False),
        "groups": (2.0, False),
    }


def test_temperatures_of_the_file_are_told_where_they_flatter() -> None:
    mended = replace(painted_model(), tempered=True)
    for model, part, told in ((mended, "validation", True), (mended, "all", False), (painted_model(), "validation", False)):
        found = evaluate(model, Subject(faces=wrong_in_part(), dataset="painted", part=part), sizes_px=(112,))
        assert (TEMPERED in markdown(found, [])) == told


def test_labels_of_nothing_that_the_model_estimates_are_told() -> None:
    found = evaluate(painted_model(), on(labelled(paint([30] * 40, [9] * 40), person=[1] * 40)), sizes_px=(112,))
    assert not found.overall.figures
    assert [grid.note for grid in grids(found)] == ["The data set has no labels of what this model estimates."]


def test_no_faces_are_told() -> None:
    with pytest.raises(TrainingError, match="painted: there are no faces to evaluate on in the part 'all'"):
        evaluate(painted_model(), on(wrong_in_part().take(np.arange(0))))


def test_progress_is_told_for_each_round() -> None:
    told: list[int] = []
    evaluate(painted_model(), on(wrong_in_part()), sizes_px=SIZES, on_batch=told.append)
    assert sum(told) == COUNT * rounds(SIZES)
    assert max(told) == 64


def test_the_model_that_comes_along_can_be_evaluated() -> None:
    model = open_model(resource("triton_models") / "face_attributes")
    found = evaluate(model, Subject(faces=drawn_faces(36), dataset="drawn", part="all"), sizes_px=(112, 24))
    assert found.knows_age
    assert found.knows_gender
    assert found.overall.figures["gender_accuracy"].n == 36
    assert found.by_size[1].figures != found.by_size[0].figures
