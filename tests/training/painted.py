"""Faces painted in one colour each, and a network that reads its answer from the colour: what it should find is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.networks import Signature
from training.evaluation.model import Model
from training.faces import ANY_AGE, CANVAS_SIDE_PX, UNKNOWN_GENDER, Faces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.types import UInt8


class PaintedNetwork:
    """Reads the age (its years) from red, P(male) (in 255ths) from green."""

    signature = Signature(inputs={}, outputs={})

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> list[NDArray[Any]]:
        assert outputs == ["age_probs", "gender_probs"]
        red, green, _ = np.moveaxis(inputs["face"][:, 56, 56], 1, 0)
        male = green / 255
        return [np.eye(101, dtype=np.float32)[red], np.stack([1 - male, male], axis=1).astype(np.float32)]


def painted_model() -> Model:
    return Model(name="painted", sha256="0" * 64, network=PaintedNetwork())


def paint(ages: Sequence[int], males: Sequence[int]) -> UInt8:
    """Return canvases (n, 144, 144, 3) of which the model will say these ages, and P(male) in 255ths."""
    canvases = np.zeros((len(ages), CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3), np.uint8)
    canvases[..., 0] = np.array(ages)[:, None, None]
    canvases[..., 1] = np.array(males)[:, None, None]
    return canvases


def labelled(canvases: UInt8, **labels: object) -> Faces:
    """Return faces with labels by their names in `Faces`; what is left out is not known."""
    n = len(canvases)
    usual: dict[str, Any] = {
        "keys": [f"painted/{number:05}.png" for number in range(n)],
        "rows": range(n),
        "age_low": [ANY_AGE[0]] * n,
        "age_high": [ANY_AGE[1]] * n,
        "gender": [UNKNOWN_GENDER] * n,
        "group": [""] * n,
        "sigma": np.full(n, np.nan, np.float32),
        "person": [0] * n,
        "seen": np.full((n, 3), np.nan, np.float32),
    }
    found = {name: np.asarray(value) for name, value in (usual | labels).items()}
    return Faces(canvases=canvases, fingerprints=np.zeros((n, 4), np.uint64), **found)
