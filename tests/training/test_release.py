"""From a training to a measured model with its card, and the table of several."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import onnx
import pytest

from pipeline.adapters.onnx import OnnxClassifier
from tests.training.drawn import drawn_faces
from training.card import write_card
from training.comparison import BEGIN, END, write_table
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.run import Subject, evaluate
from training.loop import Training
from training.provenance import read_provenance
from training.recipe import load_recipe
from training.release import export_model, fitted, measured, source
from training.released import read_all, read_released
from training.served import Temperatures

if TYPE_CHECKING:
    from pathlib import Path

    from training.loop import Epoch
    from training.release import Source

FACES = drawn_faces(96, seed=1)
VALIDATION = Subject(faces=FACES, dataset="fairface", part="validation")


class Quiet:
    """Whoever does not care how the training goes."""

    def began(self, done: int, steps: int) -> None: ...
    def stepped(self, loss: float) -> None: ...
    def finished(self, epoch: Epoch) -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The smoke recipe, trained, released as a model."""
    folder = tmp_path_factory.mktemp("release")
    recipe = load_recipe("smoke")
    Training(recipe, folder / "out" / "smoke", train=drawn_faces(96), validation=FACES).run(Quiet(), workers=0)
    made = source(recipe, folder / "out", folder / "triton_models", version=0)
    export_model(made, Temperatures())
    export_model(made, fitted(made, VALIDATION, lambda _: None))
    measured(made, [VALIDATION], lambda _: None)
    write_card(made.model)
    return made


@pytest.fixture
def copied(made: Source, tmp_path: Path) -> Path:
    """A repository of the test's own, with that model."""
    return shutil.copytree(made.model.parent, tmp_path / "triton_models")


def test_the_product_loads_it(made: Source) -> None:
    assert OnnxClassifier(made.model.parent, "smoke").name == "smoke:1/tight-1"


def test_the_file_says_how_it_was_made(made: Source) -> None:
    provenance = read_provenance(made.network)
    assert provenance is not None
    assert (provenance.recipe, provenance.seed, provenance.licence) == ("smoke", 1, "CC-BY-4.0")
    assert (provenance.epochs, provenance.epochs_planned) == (3, 3)
    assert (provenance.age_temperature, provenance.gender_temperature) != (1.0, 1.0)


def test_with_its_temperatures_no_other_would_be_likelier(made: Source) -> None:
    report = evaluate(open_model(made.model), VALIDATION, sizes_px=(112,))
    assert {name: each.temperature for name, each in report.calibrations.items()} == pytest.approx({"groups": 1, "gender": 1}, abs=0.02)


def test_the_card_tells_what_there_is_to_know(made: Source) -> None:
    card = (made.model / "CARD.md").read_text("utf-8")
    content = made.network.read_bytes()
    assert f"{len(content):,} bytes, SHA-256 `{hashlib.sha256(content).hexdigest()}`" in card
    for text in ("CC-BY-4.0", "Kärkkäinen and Joo", "seed 1", "tight-1", "3 of 3 epochs", "| **all** | 96 |", "| 32 pixels high | 96 |"):
        assert text in card
    assert "ended early" not in card
    assert "nan" not in card


def test_a_card_is_the_same_each_time(copied: Path) -> None:
    before = (copied / "smoke" / "CARD.md").read_text("utf-8")
    assert write_card(copied / "smoke").read_text("utf-8") == before


def test_figures_of_another_network_are_refused(copied: Path) -> None:
    network = copied / "smoke" / "1" / "model.onnx"
    network.write_bytes(network.read_bytes() + b"\x00\x00")
    with pytest.raises(TrainingError, match=r"fairface\.json: of another network than .*; evaluate it again"):
        read_released(copied / "smoke")


def test_an_export_leaves_no_figures_of_earlier_weights(made: Source, tmp_path: Path) -> None:
    anew = source(made.recipe, made.training.parent, tmp_path, version=0)
    shutil.copytree(made.model, anew.model)
    export_model(anew, Temperatures(age=2.0))
    assert not read_released(anew.model).reports
    with pytest.raises(TrainingError, match="there is no report beside"):
        write_card(anew.model)


def test_a_model_that_was_made_elsewhere_has_no_such_card(copied: Path) -> None:
    network = copied / "smoke" / "1" / "model.onnx"
    model = onnx.load(network)
    del model.metadata_props[:]
    onnx.save(model, network)
    shutil.rmtree(copied / "smoke" / "evaluation")
    with pytest.raises(TrainingError, match="does not say how it was made"):
        write_card(copied / "smoke")


def test_what_is_not_served_cannot_be_released(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="recipe identity names no model: what it trains is not served"):
        source(load_recipe("identity"), tmp_path, tmp_path, version=0)


def test_all_models_stand_in_one_table(copied: Path, made: Source) -> None:
    other = source(made.recipe.model_copy(update={"model": "other"}), made.training.parent, copied, version=3)
    export_model(other, Temperatures())
    measured(other, [VALIDATION], lambda _: None)
    (copied / "README.md").write_text(f"# The models\n{BEGIN}\nold\n{END}\nThe end.\n", "utf-8")
    page = write_table(copied, read_all(copied)).read_text("utf-8")
    assert page.startswith(f"# The models\n{BEGIN}\n**fairface**, validation part, 96 faces:\n")
    assert page.endswith(f"|\n{END}\nThe end.\n")
    assert [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| [")] == [
        "[`other`](other/CARD.md)",
        "[`smoke`](smoke/CARD.md)",
    ]
    assert write_table(copied, read_all(copied)).read_text("utf-8") == page


def test_figures_of_other_faces_are_not_compared(copied: Path, made: Source) -> None:
    other = source(made.recipe.model_copy(update={"model": "other"}), made.training.parent, copied, version=1)
    export_model(other, Temperatures())
    measured(other, [Subject(faces=drawn_faces(40), dataset="fairface", part="validation")], lambda _: None)
    (copied / "README.md").write_text(f"{BEGIN}\n{END}\n", "utf-8")
    with pytest.raises(TrainingError, match="smoke was measured on other faces of fairface than other; evaluate both again"):
        write_table(copied, read_all(copied))


def test_a_page_without_a_place_for_the_table_is_one_line(copied: Path) -> None:
    (copied / "README.md").write_text("# The models\n", "utf-8")
    with pytest.raises(TrainingError, match="has no place for the table"):
        write_table(copied, read_all(copied))


def test_a_file_that_is_no_network_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network")
    with pytest.raises(TrainingError, match=r"model\.onnx cannot be read as ONNX"):
        read_provenance(tmp_path / "model.onnx")
