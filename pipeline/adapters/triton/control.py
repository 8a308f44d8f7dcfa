"""Loads models into a Triton that is told what to load (`--model-control-mode=explicit`).

What Triton 2.51 does, found out by trying: a version that cannot be loaded leaves the others as they are, one that answers
nonsense is served; a load with a configuration that is not new does nothing, even where the process behind the model is dead;
a load without one does nothing unless a file has changed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.triton.client import TritonClient

_READY = "READY"
_LOAD_TIMEOUT_S = 120.0  # a GPU's optimiser takes its time
_HEALED = "headcount_loaded_anew"  # a parameter of no meaning, so that the configuration is new


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """A version of a model that Triton has loaded, or tried to."""

    model: str
    version: str  # "" where nothing of the model was ever loaded
    state: str  # Triton's word: READY, UNAVAILABLE, LOADING, UNLOADING; "" as above
    reason: str  # why it is not ready

    @property
    def ready(self) -> bool:
        """Whether it is served."""
        return self.state == _READY


class ModelControl:
    """Says which versions there are, and loads them.

    Args:
        client: Of the server.
    """

    def __init__(self, client: TritonClient) -> None:
        self._client = client

    def known(self) -> tuple[KnownVersion, ...]:
        """Return every version that Triton knows of, by name and number.

        Raises:
            HeadcountError: As `TritonClient.infer`.
        """
        index = self._client.call(lambda client: client.get_model_repository_index(client_timeout=self._client.timeout_s))
        found = [KnownVersion(model=each.name, version=each.version, state=each.state, reason=each.reason) for each in index.models]
        return tuple(sorted(found, key=lambda each: (each.model, int(each.version or 0))))

    def ready(self, model: str) -> tuple[str, ...]:
        """Return the versions of a model that are served, the oldest first.

        Raises:
            HeadcountError: As `TritonClient.infer`.
        """
        return tuple(each.version for each in self.known() if each.model == model and each.ready)

    def load(self, model: str) -> None:
        """Load a model of which nothing is served, as its configuration in the repository says.

        Raises:
            ConfigurationError: It cannot be loaded.
            TransientError: Triton does not answer.
        """
        self._client.call(lambda client: client.load_model(model, client_timeout=_LOAD_TIMEOUT_S))

    def unload(self, model: str) -> None:
        """Serve no version of a model any more."""
        self._client.call(lambda client: client.unload_model(model, client_timeout=_LOAD_TIMEOUT_S))

    def load_newest(self, model: str, count: int) -> None:
        """Serve the newest versions in the repository and no others; what is served stays where one cannot be loaded.

        Raises:
            ConfigurationError: One cannot be loaded.
            TransientError: Triton does not answer.
        """
        self._load_with(model, {"version_policy": {"latest": {"num_versions": count}}})

    def load_only(self, model: str, versions: Sequence[str]) -> None:
        """Serve these versions and no others.

        Raises:
            ConfigurationError: One cannot be loaded.
            TransientError: Triton does not answer.
        """
        self._load_with(model, {"version_policy": {"specific": {"versions": [int(version) for version in versions]}}})

    def load_anew(self, model: str) -> None:
        """Start the processes behind a model again; the old ones answer until the new ones can.

        Raises:
            ConfigurationError: It cannot be loaded.
            TransientError: Triton does not answer.
        """
        parameters = self._client.configuration(model).get("parameters", {})
        self._load_with(model, {"parameters": {**parameters, _HEALED: {"string_value": str(time.time_ns())}}})

    def _load_with(self, model: str, changes: dict[str, Any]) -> None:
        configuration = json.dumps({**self._client.configuration(model), **changes})
        self._client.call(lambda client: client.load_model(model, config=configuration, client_timeout=_LOAD_TIMEOUT_S))
