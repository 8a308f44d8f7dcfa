"""A model repository of a test's own, with one small model, and ways to put good and broken versions into it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from pipeline.resources import resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from onnx import ModelProto

MODEL = "face_attributes_research"


def newest_version(model: str) -> int:
    """Return the number of the version of `triton_models/` that is served."""
    return max(int(path.name) for path in (resource("triton_models") / model).iterdir() if path.name.isdecimal())


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of `MODEL` in a repository."""

    path: Path

    @classmethod
    def in_repository(cls, repository: Path) -> ModelFolder:
        """Copy the model there, its newest version as the first; an unprivileged server may read it."""
        folder = shutil.copytree(resource("triton_models") / MODEL, repository / MODEL)
        if newest_version(MODEL) != 1:
            (folder / str(newest_version(MODEL))).rename(folder / "1")
        return cls(folder)

    @property
    def repository(self) -> Path:
        """The repository in which it lies."""
        return self.path.parent

    def add(self, version: int, change: Callable[[ModelProto], None] = lambda _: None) -> None:
        """Add a version: the first one, changed; it is there whole or not at all."""
        network = onnx.load(self.path / "1" / "model.onnx")
        change(network)
        self.add_bytes(version, network.SerializeToString())

    def add_bytes(self, version: int, content: bytes) -> None:
        """Add a version of this content."""
        folder = self.path / f".{version}"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(content)
        folder.rename(self.path / str(version))

    def keep_first(self) -> None:
        """Take all versions but the first away."""
        for folder in self.path.iterdir():
            if folder.name.isdecimal() and folder.name != "1":
                shutil.rmtree(folder)

    def remove(self, version: int) -> None:
        """Take a version away."""
        shutil.rmtree(self.path / str(version))


def answer_nan(network: ModelProto) -> None:
    """Make every weight NaN."""
    for weights in network.graph.initializer:
        if weights.data_type == TensorProto.FLOAT16:
            weights.raw_data = np.full(len(weights.raw_data) // 2, np.nan, np.float16).tobytes()


def answer_fewer_years(network: ModelProto) -> None:
    """Cut the ages off at 50."""
    output = network.graph.output[0]
    for node in network.graph.node:
        for index, name in enumerate(node.output):
            if name == output.name:
                node.output[index] = "all_years"
    for name, value in (("first", 0), ("last", 50), ("axis", 1)):
        network.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [value]))
    network.graph.node.append(helper.make_node("Slice", ["all_years", "first", "last", "axis"], [output.name]))
    output.type.tensor_type.shape.dim[1].dim_value = 50


def answer_otherwise(network: ModelProto) -> None:
    """Turn the largest weights around: plausible nonsense."""
    weights = max(network.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = np.frombuffer(weights.raw_data, np.float16)[::-1].tobytes()
