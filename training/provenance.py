"""How a network was made: what `headcount-train export` writes into an ONNX file's metadata, and cards are written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from training.errors import TrainingError
from training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a file says of itself."""

    recipe: Recipe  # whole: its file may be the user's own, and may change
    data: tuple[str, ...]  # that the weights have seen, in the trainings that this one started from too
    crop_recipe: str
    epochs: int  # trained
    cpu_hours: float  # of the training
    age_temperature: float
    gender_temperature: float

    def notes(self) -> dict[str, str]:
        """Return it as metadata."""
        return {
            "recipe": self.recipe.name,
            "seed": str(self.recipe.seed),
            "licence": self.recipe.licence,
            "recipe_json": self.recipe.model_dump_json(),
            "data": " ".join(self.data),
            "crop_recipe": self.crop_recipe,
            "epochs": str(self.epochs),
            "cpu_hours": str(self.cpu_hours),
            "age_temperature": str(self.age_temperature),
            "gender_temperature": str(self.gender_temperature),
        }


def read_provenance(path: Path) -> Provenance | None:
    """Return what an ONNX file says of itself; None where headcount-train has not written it.

    Raises:
        TrainingError: It cannot be read, or was written by another version of headcount-train.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # noqa: BLE001 - protobuf's own classes have no types
        raise TrainingError(f"{path} cannot be read as ONNX ({type(error).__name__})") from None
    notes = {entry.key: entry.value for entry in model.metadata_props}
    if "recipe_json" not in notes:
        return None
    try:
        return _of_notes(notes)
    except (LookupError, ValueError):
        raise TrainingError(f"{path} was written by another version of headcount-train; export it again") from None


def _of_notes(notes: Mapping[str, str]) -> Provenance:
    return Provenance(
        recipe=Recipe.model_validate_json(notes["recipe_json"]),
        data=tuple(notes["data"].split()),
        crop_recipe=notes["crop_recipe"],
        epochs=int(notes["epochs"]),
        cpu_hours=float(notes["cpu_hours"]),
        age_temperature=float(notes["age_temperature"]),
        gender_temperature=float(notes["gender_temperature"]),
    )
