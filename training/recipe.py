"""A recipe: everything that decides what a training makes, in one small file of `recipes/`."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.augment.damage import Damage
from training.augment.geometry import Placement
from training.credits import RESEARCH_ONLY
from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Part):
    """Some epochs at one resolution: the first ones are cheaper on smaller faces (Howard, 2018: progressive resizing)."""

    side_px: Annotated[int, Field(ge=16)]
    epochs: Annotated[int, Field(ge=1)]


class Optimizer(_Part):
    """How weights move: matrices by Muon, the rest (heads, norms, biases) by AdamW."""

    matrix_rate: Annotated[float, Field(gt=0)] = 0.003
    rate: Annotated[float, Field(gt=0)] = 0.002
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    warmup_steps: Annotated[int, Field(ge=0)] = 300
    hold: Share = 0.3  # of all steps at the full rate; then it falls evenly to zero


class Recipe(_Part):
    """What is trained, on what, for how long."""

    name: str
    summary: str  # one sentence, for the card
    network: str  # a name of training.networks
    options: dict[str, Any] = {}  # the network's keyword arguments
    model: str  # the folder of triton_models/ that it becomes; "": it is not served
    data: Annotated[list[str], Field(min_length=1)]  # names of training.datasets
    licence: str  # of the weights
    departs: str = ""  # where it differs from what the literature says
    failures: list[str] = []  # known ones that no figure shows, for the card
    start: str = ""  # a recipe whose weights it begins with
    teach: Share = 0.0  # share of the loss that asks for what the weights it begins with say of the undamaged face; the rest is the labels'
    seed: int = 1
    batch: Annotated[int, Field(ge=2)] = 128
    average: Share = 0.998  # decay of the running average of the weights, which is what is exported
    mix: Annotated[float, Field(ge=0)] = 0.0  # parameter of the Beta distribution by which two faces become one; 0: they do not
    flip: bool = False  # whether the exported graph averages the face and its mirror image
    half: bool = False  # whether the exported file stores weights as float16
    stages: Annotated[list[Stage], Field(min_length=1)]
    optimizer: Optimizer = Optimizer()
    placement: Placement = Placement()
    damage: Damage = Damage()

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def side_px(self, epoch: int) -> int:
        """Return the resolution of an epoch, counted from 0."""
        sides = [stage.side_px for stage in self.stages for _ in range(stage.epochs)]
        return sides[epoch]

    def identity(self) -> str:
        """Return all that decides what the weights become; weights were trained by this recipe if theirs is the same."""
        untaught = set() if self.teach else {"teach"}  # as if it were not there: checkpoints from before it go on
        return self.model_dump_json(exclude={"summary", "departs", "failures", "licence", "flip", "half"} | untaught)


def lineage(name: str) -> list[Recipe]:
    """Return a recipe after those that it starts from, the first of them first.

    Raises:
        TrainingError: As `load_recipe`; one starts from itself; one has nobody who teaches it; or one's licence hides that its weights
            have seen research-only data.
    """
    found = [load_recipe(name)]
    while found[0].start:
        found.insert(0, load_recipe(found[0].start))
        if found[0].name in {recipe.name for recipe in found[1:]}:
            raise TrainingError(f"recipe {name} starts from itself: {' < '.join(recipe.name for recipe in found)}")
    if found[0].teach:
        raise TrainingError(f"recipe {found[0].name}: teach: it begins with no weights that could teach; name a recipe to start from")
    for number, recipe in enumerate(found, start=1):
        bound = sorted(RESEARCH_ONLY & set(data_of(found[:number])))
        if bound and "research only" not in recipe.licence:
            raise TrainingError(
                f"recipe {recipe.name}: its weights have seen {', '.join(bound)}: the licence must say 'research only', "
                f"not {recipe.licence!r}"
            )
    return found


def data_of(recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """Return the data sets of all of some recipes, each once."""
    return tuple(dict.fromkeys(name for recipe in recipes for name in recipe.data))


def shipped(recipe: Recipe) -> Recipe | None:
    """Return the recipe of `recipes/` that trains the same weights; None: there is none."""
    if recipe.name not in recipe_names():
        return None
    found = load_recipe(recipe.name)
    return found if found.identity() == recipe.identity() else None


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the project."""
    return sorted(path.name.removesuffix(".toml") for path in files("training.recipes").iterdir() if path.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Return a recipe of `recipes/` by its name, or one in a file by its path (ending in .toml).

    Raises:
        TrainingError: There is none, or it says what no recipe may.
    """
    source = Path(name) if name.endswith(".toml") else files("training.recipes") / f"{name}.toml"
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError:
        raise TrainingError(f"there is no recipe {name}; there are {', '.join(recipe_names())}, or name a .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"recipe {name}: {error}") from None
    if "name" in content:
        raise TrainingError(f"recipe {name}: name: a recipe has the name of its file; remove the line")
    try:
        return Recipe(name=Path(name).stem, **content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise TrainingError(f"recipe {name}: {place}: {first['msg']}") from None
