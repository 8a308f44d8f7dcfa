"""Classifies crops in this process, with a model of a Triton repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.adapters.golden import check_golden, read_golden
from pipeline.adapters.model_config import CONTRACT_INPUTS, CONTRACT_OUTPUTS, ModelConfig, model_name, read_model_config
from pipeline.errors import ConfigurationError
from pipeline.networks import OnnxRuntimeNetwork, TensorType
from pipeline.stages.align import CROP_RECIPE
from pipeline.types import Attributes, UInt8, check_array

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.networks import Network, OpenNetwork

_DTYPES = {"TYPE_UINT8": "uint8", "TYPE_FP32": "float32"}


class OnnxClassifier:
    """A `ports.Classifier`; safe to use from several threads.

    Args:
        repository: A Triton model repository.
        model: A model in it; its newest version is taken.
        open_network: In which runtime.

    Raises:
        ConfigurationError: There is no such model, its files disagree or are damaged, it wants other crops, or it fails its self-test.
    """

    def __init__(self, repository: Path, model: str, open_network: OpenNetwork = OnnxRuntimeNetwork) -> None:
        config = read_model_config(repository, model)
        if config.crop_recipe != CROP_RECIPE:
            raise ConfigurationError(f"the model {model} wants crops by {config.crop_recipe!r}, but they are cut by {CROP_RECIPE!r}")
        self._network = _load(repository, config, open_network)
        self._max_batch_size = config.max_batch_size
        self.name = model_name(config.name, config.version)
        check_golden(self.classify, read_golden(repository / model), self.name)

    def classify(self, crops: UInt8) -> Attributes:
        """Classify (n, 112, 112, 3) uint8 RGB crops, n of 0 or more.

        Raises:
            ValueError: The crops have another shape or type.
            ConfigurationError: The answer holds NaN: the model is broken, and would answer the same again.
        """
        check_array("crops", crops, (None, *CONTRACT_INPUTS[0].dims), np.uint8)
        starts = range(0, len(crops), self._max_batch_size)
        parts = [self._network.run({"face": crops[i : i + self._max_batch_size]}, ["age_probs", "gender_probs"]) for i in starts]
        age = np.concatenate([np.zeros((0, 101), np.float32), *(part[0] for part in parts)])
        gender = np.concatenate([np.zeros((0, 2), np.float32), *(part[1] for part in parts)])
        try:
            return Attributes(age_probs=age, gender_probs=gender, model=self.name)
        except ValueError as error:
            raise ConfigurationError(
                f"the model {self.name} is broken ({error}); install it again or choose another (HEADCOUNT_MODEL)"
            ) from None


def _load(repository: Path, config: ModelConfig, open_network: OpenNetwork) -> Network:
    """Open the newest version; what the contract, the configuration and the network say of their ports must be the same."""
    path = repository / config.name / str(config.version) / "model.onnx"
    try:
        network = open_network(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be loaded ({error}); install the model again") from None
    for side, contract, stated, real in (
        ("inputs", CONTRACT_INPUTS, config.inputs, network.signature.inputs),
        ("outputs", CONTRACT_OUTPUTS, config.outputs, network.signature.outputs),
    ):
        wanted = {port.name: TensorType(dtype=_DTYPES[port.data_type], shape=(None, *port.dims)) for port in contract}
        if stated != contract or real != wanted:
            raise ConfigurationError(f"the model {config.name} has other {side} than the contract in triton_models/README.md")
    return network
