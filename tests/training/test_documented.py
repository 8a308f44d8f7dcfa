"""docs/training.md names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from training.cli import app
from training.datasets import NAMES
from training.recipe import recipe_names

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = sorted(getattr(typer.main.get_command(app), "commands", {}))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_in_the_table(command: str) -> None:
    assert f"\n| `{command}" in PAGE


@pytest.mark.parametrize("recipe", recipe_names())
def test_each_recipe_is_in_the_table(recipe: str) -> None:
    assert f"`{recipe}`" in PAGE


@pytest.mark.parametrize("dataset", NAMES)
def test_each_data_set_is_in_the_table(dataset: str) -> None:
    assert f"`{dataset}`" in PAGE


def test_there_are_commands() -> None:
    assert {"train", "release", "evaluate", "visits"} <= set(COMMANDS)
