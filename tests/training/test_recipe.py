"""Recipes say everything, and nothing that is not understood."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from training.errors import TrainingError
from training.networks import open_network
from training.optimizers import schedule
from training.recipe import Optimizer, lineage, load_recipe, recipe_names

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


def test_unknown_networks_and_options_are_refused() -> None:
    with pytest.raises(TrainingError, match="no network nonsense"):
        open_network("nonsense", {})
    with pytest.raises(TrainingError, match=r"face_attributes.*depth"):
        open_network("face_attributes", {"depth": 3})


def test_the_rate_rises_holds_and_falls_to_almost_nothing() -> None:
    recipe = Optimizer(warmup_steps=10, hold=0.5)
    shares = [schedule(recipe, done, 1000) for done in range(1000)]
    assert shares[0] == pytest.approx(1 / 11)
    assert shares[10:501] == [1.0] * 491
    assert all(later < earlier for earlier, later in pairwise(shares[501:]))
    assert 0 < shares[-1] < 0.01
