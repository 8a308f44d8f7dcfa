"""The model that is evaluated: a folder of `triton_models/`, or an ONNX file of that contract."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from pipeline.adapters.model_config import CONFIG_NAME, CONTRACT_INPUTS, CONTRACT_OUTPUTS, read_model_config
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.errors import ConfigurationError
from pipeline.networks import Network, OnnxRuntimeNetwork, TensorType
from training.errors import TrainingError
from training.evaluation.estimates import Estimates

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Float32, UInt8

BATCH = 64  # faces at a time: what the served models are configured for

PERSON_PROBS = "person_probs"
"""An output beside the contract's: measured, never served (networks/identity.py)."""
_TEMPERATURES = ("age_temperature", "gender_temperature")  # in the file's metadata (provenance.py)
_DTYPES = {"TYPE_UINT8": "uint8", "TYPE_FP32": "float32"}
_SUM_TOLERANCE = 1e-3
_CONTRACT = "the contract in triton_models/README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that honours the contract of `triton_models/`."""

    name: str
    sha256: str  # of the ONNX file
    network: Network
    people: int = 0  # that it tells from each other and from nobody of them
    tempered: bool = False  # whether its graph divides by temperatures that were fitted on validation faces

    def estimate(self, crops: UInt8) -> Estimates:
        """Return what it says of (n, 112, 112, 3) uint8 RGB crops.

        Raises:
            TrainingError: An answer is no distribution.
        """
        sizes = {"age_probs": 101, "gender_probs": 2} | ({PERSON_PROBS: self.people + 1} if self.people else {})
        try:
            found = self.network.run({"face": crops}, list(sizes))
        except Exception as error:  # the runtime's classes have no other common ancestor
            raise TrainingError(f"the model {self.name} cannot judge a batch of {len(crops)} faces ({type(error).__name__})") from error
        answers = dict(zip(sizes, found, strict=True))
        for name, size in sizes.items():
            self._check(name, answers[name], (len(crops), size))
        return Estimates(**answers)

    def _check(self, name: str, probs: Float32, shape: tuple[int, int]) -> None:
        trouble = ""
        if probs.shape != shape:
            trouble = f"has the shape {probs.shape} where {shape} is expected"
        elif not np.isfinite(probs).all():
            trouble = "holds NaN or infinity"
        elif (probs < 0).any() or (np.abs(probs.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
            trouble = "holds rows that are no distribution (negative, or not summing to 1)"
        if trouble:
            raise TrainingError(f"the model {self.name} breaks {_CONTRACT}: {name} {trouble}")


def open_model(path: Path) -> Model:
    """Open a model's folder (its newest version) or an ONNX file.

    A folder is first opened as the product does, so that what would not be served is not evaluated.

    Raises:
        TrainingError: There is no such model, it cannot be loaded, or it breaks the contract.
    """
    path = path.resolve()
    if not path.is_dir():
        return _open_file(path, path.stem)
    if not (path / CONFIG_NAME).is_file():
        raise TrainingError(f"{path} is no model: it holds no {CONFIG_NAME}; name a folder as in triton_models/, or an .onnx file")
    try:
        served = OnnxClassifier(path.parent, path.name)
        version = read_model_config(path.parent, path.name).version
    except ConfigurationError as error:
        raise TrainingError(str(error)) from None
    return _open_file(path / str(version) / "model.onnx", served.name)


def _open_file(path: Path, name: str) -> Model:
    try:
        content = path.read_bytes()
        network = OnnxRuntimeNetwork(content)
    except OSError as error:
        raise TrainingError(f"the model {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TrainingError(f"the model {path} cannot be loaded: {error}") from None
    signature = network.signature
    outputs = {name: port for name, port in signature.outputs.items() if name != PERSON_PROBS}
    for side, ports, real in (("inputs", CONTRACT_INPUTS, signature.inputs), ("outputs", CONTRACT_OUTPUTS, outputs)):
        if real != {port.name: TensorType(dtype=_DTYPES[port.data_type], shape=(None, *port.dims)) for port in ports}:
            there = ", ".join(f"{name} {port.dtype} {list(port.shape)}" for name, port in real.items())
            raise TrainingError(f"the model {path} has other {side} than {_CONTRACT}: {there}")
    return Model(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        network=network,
        people=(signature.outputs[PERSON_PROBS].shape[-1] or 1) - 1 if PERSON_PROBS in signature.outputs else 0,
        tempered=_tempered(content),
    )


def _tempered(content: bytes) -> bool:
    notes = {entry.key: entry.value for entry in onnx.load_model_from_string(content).metadata_props}
    return any(notes.get(name, "1.0") != "1.0" for name in _TEMPERATURES)
