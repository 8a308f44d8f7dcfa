"""How a network was made: what `headcount-train export` writes into an ONNX file's metadata, and cards are written from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import onnx

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a file says of itself."""

    recipe: str
    seed: int
    licence: str  # of the weights
    crop_recipe: str
    epochs: int  # trained
    epochs_planned: int  # by the recipe
    cpu_hours: float  # of the training's own process
    flip: bool  # whether the graph averages the face and its mirror image
    half: bool  # whether weights are stored as float16
    age_temperature: float
    gender_temperature: float

    def notes(self) -> dict[str, str]:
        """Return it as metadata."""
        return {name: str(value) for name, value in asdict(self).items()}


def read_provenance(path: Path) -> Provenance | None:
    """Return what an ONNX file says of itself; None where headcount-train has not written it.

    Raises:
        TrainingError: It cannot be read.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # noqa: BLE001 - protobuf's own classes have no types
        raise TrainingError(f"{path} cannot be read as ONNX ({type(error).__name__})") from None
    return _of_notes({entry.key: entry.value for entry in model.metadata_props})


def _of_notes(notes: Mapping[str, str]) -> Provenance | None:
    if any(field.name not in notes for field in fields(Provenance)):
        return None
    return Provenance(
        recipe=notes["recipe"],
        seed=int(notes["seed"]),
        licence=notes["licence"],
        crop_recipe=notes["crop_recipe"],
        epochs=int(notes["epochs"]),
        epochs_planned=int(notes["epochs_planned"]),
        cpu_hours=float(notes["cpu_hours"]),
        flip=notes["flip"] == str(True),
        half=notes["half"] == str(True),
        age_temperature=float(notes["age_temperature"]),
        gender_temperature=float(notes["gender_temperature"]),
    )
