"""What the gate would say of the faces that are evaluated, and what the figures say of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.painted import labelled, paint, painted_model
from training.evaluation.quality import between, crop_qualities
from training.evaluation.run import Subject, evaluate
from training.evaluation.sections import Judged, section
from training.evaluation.tables import grids
from training.evaluation.tasks import tasks

PROFILES = 40


def test_a_face_that_was_not_found_has_no_quality() -> None:
    faces = labelled(paint([30, 30], [9, 9]), seen=np.array([[1, 0.5, 1], [np.nan] * 3], np.float32))
    found, missed = crop_qualities(faces, 24)
    assert (found.size, found.pose) == (0.5, 0.5)
    assert np.isnan(missed.value)


def test_values_lie_between_their_borders_and_nan_nowhere() -> None:
    found = between((0, 0.5, 1), [0, 0.49, 0.5, 1, np.nan])
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "0 to 0.5": [True, True, False, False, False],
        "0.5 to 1": [False, False, True, True, False],
    }


def test_faces_that_are_turned_away_are_measured_apart() -> None:
    noise = np.random.default_rng(0).integers(0, 60, (100, 144, 144, 1), np.uint8)
    turned = np.arange(100) < PROFILES
    ages = np.where(turned, 60, 30)  # what the model will say; all are 30
    canvases = paint(ages.tolist(), [9] * 100)
    canvases[..., 2:] = noise  # detail, in the channel that the model does not read
    pose = np.where(turned, 0.05, 0.9)
    seen = np.stack([np.ones(100), pose, np.ones(100)], axis=1).astype(np.float32)
    faces = labelled(canvases, age_low=[30] * 100, age_high=[30] * 100, gender=[0] * 100, seen=seen)
    report = evaluate(painted_model(), Subject(faces=faces, dataset="painted", part="all"), sizes_px=(112, 48))
    assert {section.name: (section.n, section.figures["age_mae"].value) for section in report.by_pose} == {
        "0 to 0.1": (PROFILES, 30.0),
        "0.75 to 1": (100 - PROFILES, 0.0),
    }
    assert sum(section.n for section in report.by_sharpness) == 100
    assert sum(section.n for section in report.by_quality) == 200, "each face once at each size"
    counted = {grid.title.split(",")[0].split(" (")[0]: grid.header[1] for grid in grids(report)}
    assert (counted["By crop quality"], counted["By pose"]) == ("crops", "faces")
    assert report.by_quality[0].figures["age_mae"].value == pytest.approx(30.0)
    assert report.by_quality[-1].figures["age_mae"].value == pytest.approx(0.0)


def test_a_face_at_five_sizes_is_one_face_to_the_intervals() -> None:
    right = np.arange(60) % 3 > 0
    faces = labelled(paint([30] * 60, np.where(right, 9, 240).tolist()), age_low=[30] * 60, age_high=[30] * 60, gender=[0] * 60)
    estimates = painted_model().estimate(next(faces.crops()))
    once = Judged(faces=faces, estimates=estimates, tasks=tasks(faces, estimates))
    several = section("", once.take(np.tile(np.arange(60), 5)))
    assert several.n == 300
    for name, figure in section("", once).figures.items():
        assert several.figures[name].high - several.figures[name].low == pytest.approx(figure.high - figure.low, abs=2e-5), name
    assert not section("", once.take(np.tile(np.arange(20), 5))).figures
