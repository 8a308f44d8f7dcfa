"""Reads MTCNN's weights out of the installed `mtcnn` wheel, without importing that package: it would need TensorFlow."""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import joblib

from pipeline.errors import ConfigurationError
from pipeline.stages.detect.mtcnn import MtcnnWeights

if TYPE_CHECKING:
    from pipeline.stages.detect.mtcnn_networks import Weights

# Of mtcnn 1.0.0. joblib unpickles, so nothing else may be given to it.
_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


def wheel_folder() -> Path:
    """Return the folder of the weights.

    Raises:
        ConfigurationError: The wheel is not installed.
    """
    spec = find_spec("mtcnn")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the package mtcnn is not installed; install Headcount again, or set HEADCOUNT_DETECTOR=yunet")
    return Path(spec.origin).parent / "assets" / "weights"


def read_weights(folder: Path) -> MtcnnWeights:
    """Read the three files of weights, each after its SHA-256 was checked.

    Raises:
        ConfigurationError: A file is missing or is not the one that is known.
    """
    return MtcnnWeights(proposal=_read(folder, "pnet"), refinement=_read(folder, "rnet"), output=_read(folder, "onet"))


def _read(folder: Path, network: str) -> Weights:
    path = folder / f"{network}.lz4"
    try:
        content = path.read_bytes()
    except OSError:
        raise ConfigurationError(f"the mtcnn wheel lacks {path.name}; install mtcnn 1.0.0 again") from None
    if hashlib.sha256(content).hexdigest() != _SHA256[network]:
        raise ConfigurationError(f"{path.name} of the mtcnn wheel is not the file of mtcnn 1.0.0; install that version again")
    weights: Weights = joblib.load(io.BytesIO(content))
    return weights
