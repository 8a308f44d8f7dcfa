"""The networks, a file each; all keep `base.Network`, so that one loop trains and one exporter exports them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.networks.base import Network

_CLASSES = {
    "dex": ("dex", "Dex"),
    "face_attributes": ("face_attributes", "FaceAttributes"),
    "generation": ("generation", "Generation"),
    "googlenet_gender": ("googlenet_gender", "GooglenetGender"),
    "identity": ("identity", "Identity"),
    "levi_hassner": ("levi_hassner", "LeviHassner"),
    "levi_hassner_modified": ("levi_hassner", "LeviHassnerModified"),
}
"""The module and the class of each network; only the module that is asked for is imported."""


def open_network(name: str, options: Mapping[str, Any]) -> Network:
    """Return a new network with random weights.

    Raises:
        TrainingError: There is no such network, or it has no such option.
    """
    if name not in _CLASSES:
        raise TrainingError(f"there is no network {name}; there are {', '.join(sorted(_CLASSES))}")
    module, kind = _CLASSES[name]
    try:
        network: Network = getattr(import_module(f"training.networks.{module}"), kind)(**options)
    except (TypeError, ValueError, RuntimeError) as error:  # an unknown option, a wrong value, faces too small for the layers
        raise TrainingError(f"network {name}: {error}") from None
    return network
