"""From a training to a measured model with its card, and the table of several."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import onnx
import pytest

from pipeline.adapters.model_config import models
from pipeline.adapters.onnx import OnnxClassifier
from tests.training.drawn import drawn_faces
from training.card import card, write_card
from training.comparison import BEGIN, END, compared, write_table
from training.errors import TrainingError
from training.evaluation.model import open_model
from training.evaluation.run import Subject, evaluate
from training.loop import Training
from training.model_folder import version_file
from training.provenance import read_provenance
from training.recipe import load_recipe
from training.release import building, export_model, fitted, measured, source
from training.released import read_all, read_released
from training.served import Temperatures

if TYPE_CHECKING:
    from pathlib import Path

    from training.loop import Epoch
    from training.release import Source

OWN = """
summary = "A recipe of somebody's own."
network = "face_attributes"
options = { widths = [16], blocks = [1], stem = 16 }
model = "own"
data = ["fairface", "utkface"]
licence = "research only, like the data"
failures = ["hats"]
batch = 32
stages = [{ side_px = 32, epochs = 1 }]
"""
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
    made = source([recipe], folder / "out", folder / "triton_models", version=0)
    with building(made.model) as place:
        export_model(made, place, Temperatures())
        export_model(made, place, fitted(place, VALIDATION, lambda _: None))
        measured(place, [VALIDATION], lambda _: None)
        write_card(place)
    return made


def add_model(repository: Path, made: Source, name: str, subject: Subject = VALIDATION) -> None:
    """Export the weights of a source under another name, and measure them."""
    other = replace(made, model=repository / name)
    with building(other.model) as place:
        export_model(other, place, Temperatures())
        measured(place, [subject], lambda _: None)


def network_of(made: Source) -> Path:
    return version_file(made.model, made.version)


@pytest.fixture
def copied(made: Source, tmp_path: Path) -> Path:
    """A repository of the test's own, with that model."""
    return shutil.copytree(made.model.parent, tmp_path / "triton_models")


def test_the_product_loads_it(made: Source) -> None:
    assert OnnxClassifier(made.model.parent, "smoke").name == "smoke:1/tight-1"


def test_the_file_says_how_it_was_made(made: Source) -> None:
    provenance = read_provenance(network_of(made))
    assert provenance is not None
    assert (provenance.recipe, provenance.data, provenance.epochs) == (load_recipe("smoke"), ("fairface",), 3)
    assert provenance.cpu_hours == round(made.trained.cpu_hours, 2)
    notes = provenance.notes()
    assert (notes["recipe"], notes["seed"], notes["licence"]) == ("smoke", "1", "CC-BY-4.0")
    assert (provenance.age_temperature, provenance.gender_temperature) != (1.0, 1.0)


def test_with_its_temperatures_no_other_would_be_likelier(made: Source) -> None:
    report = evaluate(open_model(made.model), VALIDATION, sizes_px=(112,))
    assert {name: each.temperature for name, each in report.calibrations.items()} == pytest.approx({"groups": 1, "gender": 1}, abs=0.02)


def test_the_card_tells_what_there_is_to_know(made: Source) -> None:
    page = (made.model / "CARD.md").read_text("utf-8")
    content = network_of(made).read_bytes()
    assert f"{len(content):,} bytes, SHA-256 `{hashlib.sha256(content).hexdigest()}`" in page
    for text in (
        "CC-BY-4.0",
        "Kärkkäinen and Joo",
        "seed 1",
        "tight-1",
        "3 of 3 epochs",
        "| **all** | 96 |",
        "| 32 pixels high | 96 |",
        "Recipe and temperatures were chosen on",
    ):
        assert text in page
    assert "ended early" not in page
    assert "nan" not in page


def test_a_card_is_the_same_each_time(copied: Path) -> None:
    before = (copied / "smoke" / "CARD.md").read_text("utf-8")
    assert write_card(copied / "smoke").read_text("utf-8") == before


def test_figures_of_another_network_are_refused(copied: Path) -> None:
    network = copied / "smoke" / "1" / "model.onnx"
    network.write_bytes(network.read_bytes() + b"\x00\x00")
    with pytest.raises(TrainingError, match=r"fairface\.json: of another network than .*; evaluate it again"):
        read_released(copied / "smoke")


def test_an_export_leaves_no_figures_of_earlier_weights(made: Source, tmp_path: Path) -> None:
    anew = replace(made, model=tmp_path / "smoke", version=2)
    shutil.copytree(made.model, anew.model)
    with building(anew.model) as place:
        export_model(anew, place, Temperatures(age=2.0))
    assert sorted(path.name for path in anew.model.iterdir()) == ["2", "config.pbtxt", "configs", "golden.json", "golden.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["smoke"]
    assert OnnxClassifier(tmp_path, "smoke").name == "smoke:2/tight-1"
    assert not read_released(anew.model).reports
    with pytest.raises(TrainingError, match="there is no report beside"):
        write_card(anew.model)


def test_until_all_is_done_the_model_before_is_served(copied: Path, made: Source) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    anew = replace(made, model=copied / "smoke", version=2)
    with pytest.raises(KeyboardInterrupt), building(anew.model) as place:  # noqa: PT012 - what is done until then
        export_model(anew, place, Temperatures())
        assert models(copied) == ("smoke",)
        raise KeyboardInterrupt
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_a_release_has_a_number_of_its_own(made: Source) -> None:
    def version(wanted: int) -> int:
        return source([made.recipe], made.model.parents[1] / "out", made.model.parent, wanted).version

    version_file(made.model, 4).parent.mkdir()
    try:
        assert (version(0), version(4), version(9)) == (5, 4, 9)
        with pytest.raises(TrainingError, match=r"--version 3: .*smoke has version 4"):
            version(3)
    finally:
        version_file(made.model, 4).parent.rmdir()


def test_a_recipe_of_ones_own_needs_no_file_of_it_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "default.toml"  # named as one of the repository, which trains something else
    path.write_text(OWN, encoding="utf-8")
    recipe = load_recipe(str(path))
    path.unlink()
    Training(recipe, tmp_path / "out" / "default", train=drawn_faces(96), validation=FACES).run(Quiet(), workers=0)
    add_model(tmp_path, source([recipe], tmp_path / "out", tmp_path, version=0), "own", replace(VALIDATION, dataset="utkface"))
    page = write_card(tmp_path / "own").read_text("utf-8")
    for text in (
        "A recipe of somebody's own.",
        "| licence | research only, like the data;",
        "none of this repository",
        "- hats",
        "UTKFace. Zhang",
    ):
        assert text in page
    assert "Nothing of this data set was trained on" not in page
    assert "never trained on it" not in compared(read_all(tmp_path))


def test_the_card_of_a_model_that_knows_no_ages_claims_none(copied: Path) -> None:
    model = read_released(copied / "smoke")
    silent = card(replace(model, reports=tuple(replace(report, knows_age=False) for report in model.reports)))
    assert "down to there gender loses at most" in silent
    assert "| temperatures | gender " in silent
    assert "Age is not estimated by this model" in silent


def test_data_of_what_a_training_started_from_count(made: Source, copied: Path) -> None:
    later = replace(made, data=("utkface", "fairface"))
    add_model(copied, later, "later", replace(VALIDATION, dataset="utkface"))
    page = write_card(copied / "later").read_text("utf-8")
    assert "UTKFace. Zhang" in page
    assert "Nothing of this data set was trained on" not in page
    add_model(copied, made, "stranger", replace(VALIDATION, dataset="utkface"))
    assert "**Nothing of this data set was trained on.**" in write_card(copied / "stranger").read_text("utf-8")
    table = compared(read_all(copied))
    assert "[`later`](later/CARD.md) |" in table
    assert "[`stranger`](stranger/CARD.md), never trained on it |" in table


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
        source([load_recipe("identity")], tmp_path, tmp_path, version=0)


def test_all_models_stand_in_one_table(copied: Path, made: Source) -> None:
    add_model(copied, made, "other")
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
    add_model(copied, made, "other", replace(VALIDATION, faces=drawn_faces(40)))
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
