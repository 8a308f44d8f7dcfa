"""Recipes say everything, and nothing that is not understood."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from training.credits import RESEARCH_ONLY, credit_lines
from training.datasets import NAMES
from training.errors import TrainingError
from training.networks import open_network
from training.optimizers import schedule
from training.recipe import Optimizer, data_of, lineage, load_recipe, recipe_names, shipped

SMOKE = Path(__file__).parents[2] / "training" / "recipes" / "smoke.toml"


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_is_valid_and_opens_its_network(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.summary
    assert recipe.licence
    assert open_network(recipe.network, recipe.options).side_px


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('seed = "x"', ""), "seed: Input should be a valid integer"),
        (("colour = 1", ""), "colour: Extra inputs are not permitted"),
        (("batch = 1", "batch = 32"), "batch: Input should be greater than or equal to 2"),
        (("stages = []", ""), "not TOML or stages"),
        (('name = "mine"', ""), "name: a recipe has the name of its file"),
        (("= =", ""), "recipe"),
    ],
)
def test_what_a_recipe_may_not_say_is_one_line(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    added, removed = change
    path = tmp_path / "mine.toml"
    content = SMOKE.read_text(encoding="utf-8")
    path.write_text(f"{added}\n{content.replace(removed, '') if removed else content}", encoding="utf-8")
    with pytest.raises(TrainingError) as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)
    assert complaint == "not TOML or stages" or complaint in str(caught.value)


def test_a_recipe_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(TrainingError, match=r"no recipe nonsense; there are .*default.*smoke"):
        load_recipe("nonsense")


def test_a_recipe_comes_after_those_that_it_starts_from_and_never_after_itself(tmp_path: Path) -> None:
    mine, more = tmp_path / "mine.toml", tmp_path / "more.toml"
    content = SMOKE.read_text(encoding="utf-8")
    mine.write_text(f'start = "smoke"\n{content}', encoding="utf-8")
    more.write_text(f'start = "{mine}"\n{content}', encoding="utf-8")
    assert [recipe.name for recipe in lineage(str(more))] == ["smoke", "mine", "more"]
    mine.write_text(f'start = "{more}"\n{content}', encoding="utf-8")
    with pytest.raises(TrainingError, match="starts from itself: more < mine < more"):
        lineage(str(more))


def test_a_recipe_that_nobody_could_teach_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    content = SMOKE.read_text(encoding="utf-8")
    first.write_text(content, encoding="utf-8")
    second.write_text(f'start = "{first}"\nteach = 0.5\n{content}', encoding="utf-8")
    assert lineage(str(second))[-1].teach == 0.5
    first.write_text(f"teach = 0.5\n{content}", encoding="utf-8")
    with pytest.raises(TrainingError, match="recipe first: teach: it begins with no weights that could teach"):
        lineage(str(second))


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "non-commercial research only (UTKFace)"])
def test_weights_that_have_seen_research_only_data_are_marked_so(tmp_path: Path, licence: str) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    content = SMOKE.read_text(encoding="utf-8")
    open_data, research = 'data = ["fairface"]', 'data = ["fairface", "utkface"]'
    first.write_text(content.replace(open_data, research).replace("CC-BY-4.0", "research only"), encoding="utf-8")
    second.write_text(f'start = "{first}"\n{content.replace("CC-BY-4.0", licence)}', encoding="utf-8")
    if "research only" in licence:
        assert data_of(lineage(str(second))) == ("fairface", "utkface")
        return
    with pytest.raises(TrainingError, match="recipe second: its weights have seen utkface: the licence must say 'research only'"):
        lineage(str(second))
    second.write_text(content.replace(open_data, research), encoding="utf-8")
    with pytest.raises(TrainingError, match="must say 'research only', not 'CC-BY"):
        lineage(str(second))


def test_each_data_set_has_its_credit_and_its_terms() -> None:
    assert [line for line in credit_lines(NAMES) if "research only" in line] == credit_lines(sorted(RESEARCH_ONLY))
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "| **research only** |" in line]
    assert {name for name in NAMES if any(f"`{name}`" in row for row in rows)} == RESEARCH_ONLY


def test_only_a_recipe_that_trains_the_same_is_one_of_the_repositorys() -> None:
    smoke = load_recipe("smoke")
    assert shipped(smoke.model_copy(update={"summary": "Other words."})) == smoke
    assert shipped(smoke.model_copy(update={"seed": 2})) is None
    assert shipped(smoke.model_copy(update={"name": "mine"})) is None


def test_unknown_networks_and_options_are_refused() -> None:
    with pytest.raises(TrainingError, match="no network nonsense"):
        open_network("nonsense", {})
    with pytest.raises(TrainingError, match=r"face_attributes.*depth"):
        open_network("face_attributes", {"depth": 3})
    with pytest.raises(TrainingError, match="face_attributes: expected as many blocks as widths, got 1 and 2"):
        open_network("face_attributes", {"widths": [16, 16], "blocks": [1]})


def test_the_rate_rises_holds_and_falls_to_almost_nothing() -> None:
    recipe = Optimizer(warmup_steps=10, hold=0.5)
    shares = [schedule(recipe, done, 1000) for done in range(1000)]
    assert shares[0] == pytest.approx(1 / 11)
    assert shares[10:501] == [1.0] * 491
    assert all(later < earlier for earlier, later in pairwise(shares[501:]))
    assert 0 < shares[-1] < 0.01
