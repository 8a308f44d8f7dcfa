"""Finds out by real inferences whether Triton's models answer, and heals those that do not.

Triton says that it is ready although the process behind a model is dead, and never starts that one again by itself.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from tritonclient.utils import triton_to_np_dtype

from pipeline.adapters.triton.control import ModelControl
from pipeline.adapters.triton.failures import NotServedError
from pipeline.errors import ConfigurationError, HeadcountError, TransientError

if TYPE_CHECKING:
    from pipeline.adapters.triton.client import TritonClient

_TRIES = 2  # a model that is only busy is not started again


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHealth:
    """What an inference of one version of a model showed."""

    model: str
    version: str
    seconds: float | None  # that the answer took; None: there is none
    healed: bool  # it did not answer, was loaded anew, and does now
    trouble: str  # why there is no answer, one line; empty: there is one

    @property
    def well(self) -> bool:
        """Whether it answers."""
        return self.seconds is not None


def check_models(client: TritonClient) -> tuple[ModelHealth, ...]:
    """Run one inference on each version that Triton says is ready; one that does not answer twice is loaded anew, and asked again.

    For a supervisor: `TritonClient(url, timeout_s=5.0, in_flight=1)`, then every few seconds this. All is well where the answer
    is not empty and `all(health.well for health in check_models(client))`. It takes at most a few deadlines and a load (0.3 s).

    Args:
        client: Of the server; its deadline is what a probe waits.

    Raises:
        TransientError: The server itself does not answer: it is dead, stopped, or still starting.
        ConfigurationError: It refuses to be asked.
    """
    return tuple(_checked(client, known.model, known.version) for known in ModelControl(client).known() if known.ready)


def probe(client: TritonClient, model: str, version: str) -> float:
    """Run a batch of one through a version, of zeros, and return the seconds that it took.

    Raises:
        HeadcountError: As `TritonClient.infer`.
    """
    ports = client.describe(model, version).inputs
    inputs = {port.name: np.zeros((1, *port.dims), triton_to_np_dtype(port.data_type.removeprefix("TYPE_"))) for port in ports}
    began = perf_counter()
    client.infer(model, version, inputs)
    return perf_counter() - began


def _checked(client: TritonClient, model: str, version: str) -> ModelHealth:
    for _ in range(_TRIES):
        try:
            seconds = probe(client, model, version)
        except HeadcountError as error:
            trouble = error
        else:
            return ModelHealth(model=model, version=version, seconds=seconds, healed=False, trouble="")
    if isinstance(trouble, TransientError) and not isinstance(trouble, NotServedError):
        with suppress(ConfigurationError):  # what is broken on the disk is said by the probe
            ModelControl(client).load_anew(model)
        with suppress(HeadcountError):
            return ModelHealth(model=model, version=version, seconds=probe(client, model, version), healed=True, trouble="")
    return ModelHealth(model=model, version=version, seconds=None, healed=False, trouble=str(trouble))
