"""Asks a version of a model for attributes, and holds it to what we need of it before it judges anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.adapters.golden import check_golden, read_golden
from pipeline.adapters.model_config import CONTRACT_INPUTS, CONTRACT_OUTPUTS, model_name, models, read_model_config
from pipeline.errors import ConfigurationError
from pipeline.stages.align import CROP_RECIPE
from pipeline.types import Attributes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.adapters.golden import Golden
    from pipeline.adapters.triton.client import Answer, TritonClient
    from pipeline.types import UInt8

_SUM_TOLERANCE = 1e-3
_GRAY = np.full((1, *CONTRACT_INPUTS[0].dims), 128, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A version of a model that has passed."""

    model: str
    version: str
    max_batch_size: int

    @property
    def name(self) -> str:
        """As it stands in the visits."""
        return model_name(self.model, self.version)


def known_answers(repository: Path, model: str) -> Mapping[str, Golden]:
    """Return the golden picture of the version that a repository on this machine holds; none where it has no such model.

    Raises:
        ConfigurationError: The model's folder there is damaged.
    """
    if model not in models(repository):
        return {}
    return {str(read_model_config(repository, model).version): read_golden(repository / model)}


def verify(client: TritonClient, model: str, version: str, golden: Golden | None) -> Served:
    """Hold a version to the contract: its configuration, and a real inference.

    Args:
        client: Of the server.
        model: Its name.
        version: That is served.
        golden: A picture and this version's answer; None: any answer that is a distribution passes.

    Raises:
        TransientError: It does not answer, or is gone.
        ConfigurationError: It is not what it should be.
    """
    stated = client.describe(model, version)
    served = Served(model=model, version=version, max_batch_size=stated.max_batch_size)
    if (stated.inputs, stated.outputs) != (CONTRACT_INPUTS, CONTRACT_OUTPUTS) or stated.max_batch_size < 1:
        raise ConfigurationError(
            f"the model {served.name} at Triton has other inputs or outputs than the contract in triton_models/README.md"
        )
    if stated.crop_recipe != CROP_RECIPE:
        raise ConfigurationError(f"the model {model} at Triton wants crops by {stated.crop_recipe!r}, but they are cut by {CROP_RECIPE!r}")
    answer = ask(client, served, _GRAY if golden is None else golden.crop[None])
    for probabilities in (answer.age_probs, answer.gender_probs):
        if (probabilities < 0).any() or abs(float(probabilities.sum()) - 1) > _SUM_TOLERANCE:
            raise ConfigurationError(f"the model {served.name} at Triton is broken (its answer is no distribution); load another version")
    if golden is not None:
        check_golden(lambda _: answer, golden, served.name)
    return served


def ask(client: TritonClient, served: Served, crops: UInt8) -> Attributes:
    """Ask a version about (n, 112, 112, 3) crops, n from 1 to its largest batch; the arrays cannot be written.

    Raises:
        TransientError: It does not answer, or is gone.
        ConfigurationError: Its answer cannot be used, and would be the same again.
    """
    try:
        answer = client.infer(served.model, served.version, {CONTRACT_INPUTS[0].name: crops})
        return _attributes(answer, len(crops), served.name)
    except ValueError as error:
        raise ConfigurationError(
            f"the model {served.name} at Triton is broken ({error}); load another version: headcount models load {served.model}"
        ) from None


def _attributes(answer: Answer, count: int, name: str) -> Attributes:
    missing = [port.name for port in CONTRACT_OUTPUTS if port.name not in answer.outputs]
    if missing:
        raise ValueError(f"no output {missing[0]}")
    age, gender = (answer.outputs[port.name] for port in CONTRACT_OUTPUTS)
    if len(age) != count:
        raise ValueError(f"expected {count} rows, got {len(age)}")
    return Attributes(age_probs=age, gender_probs=gender, model=name)
