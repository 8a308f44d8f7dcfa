"""The cards and the table of the committed models say what the files and figures beside them say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.adapters.model_config import models
from pipeline.settings import Settings
from training.card import CARD, card
from training.comparison import compared, with_table
from training.model_folder import newest_version, version_file
from training.released import read_all, read_released
from training.valid_range import least_quality, smallest_face_px

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "triton_models"
MODELS = models(REPOSITORY)


@pytest.mark.parametrize("model", MODELS)
def test_a_card_names_the_file_beside_it(model: str) -> None:
    text = (REPOSITORY / model / CARD).read_text("utf-8")
    version = newest_version(REPOSITORY / model)
    content = version_file(REPOSITORY / model, version).read_bytes()
    assert f"`{version}/model.onnx`, {len(content):,} bytes, SHA-256 `{hashlib.sha256(content).hexdigest()}`" in text


@pytest.mark.parametrize("model", MODELS)
def test_a_card_says_what_its_figures_say(model: str) -> None:
    released = read_released(REPOSITORY / model)
    assert (REPOSITORY / model / CARD).read_text("utf-8") == card(released)


def test_the_table_says_what_the_figures_say() -> None:
    page = (REPOSITORY / "README.md").read_text("utf-8")
    assert page == with_table(page, compared(read_all(REPOSITORY)))


@pytest.mark.parametrize("model", MODELS)
def test_terms_stand_with_the_models_and_in_the_notice(model: str) -> None:
    page = (REPOSITORY / "README.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| [`{model}`]({model}/CARD.md)") and line.count("|") == 4)
    released = read_released(REPOSITORY / model)
    assert model in (ROOT / "NOTICE").read_text("utf-8")
    assert released.provenance is not None
    if "research only" in released.provenance.recipe.licence:
        assert "research only" in row


def test_the_gate_lets_no_smaller_or_worse_face_through_than_the_default_model_judges_well() -> None:
    reports = read_released(REPOSITORY / Settings().model).reports
    smallest, least = smallest_face_px(reports), least_quality(reports)
    assert smallest is not None
    assert least is not None
    assert Settings().crop_min_face_px >= smallest
    assert Settings().crop_min_quality >= least


def test_the_default_model_is_better_than_the_first_weights_were() -> None:
    """Those had 56.1%, 94.2% and 89.1% on 5,000 faces of FairFace that they had not seen."""
    (figures,) = (report.overall.figures for report in read_released(REPOSITORY / Settings().model).reports if report.dataset == "fairface")
    assert figures["groups_accuracy"].value > 0.561
    assert figures["groups_one_off"].value > 0.942
    assert figures["gender_accuracy"].value > 0.891


def test_the_default_model_is_no_larger_than_ten_megabytes() -> None:
    assert read_released(REPOSITORY / Settings().model).size <= 10_000_000
