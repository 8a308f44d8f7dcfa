"""The cards and the table of the committed models say what the files and figures beside them say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.adapters.model_config import models
from training.card import CARD, card
from training.comparison import compared, with_table
from training.model_folder import newest_version, version_file
from training.released import read_all, read_released

REPOSITORY = Path(__file__).parents[2] / "triton_models"
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
    if released.provenance is None:
        pytest.skip("these weights were not made by headcount-train: their card was written by hand")
    assert (REPOSITORY / model / CARD).read_text("utf-8") == card(released)


def test_the_table_says_what_the_figures_say() -> None:
    page = (REPOSITORY / "README.md").read_text("utf-8")
    assert page == with_table(page, compared(read_all(REPOSITORY)))


def test_each_model_is_in_the_table_of_licences() -> None:
    page = (REPOSITORY / "README.md").read_text("utf-8")
    assert [model for model in MODELS if f"[`{model}`]({model}/CARD.md)" not in page] == []
