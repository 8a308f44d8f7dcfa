"""The networks, a file each; all keep `base.Network`, so that one loop trains and one exporter exports them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.networks.base import Network

_CLASSES = {
    "face_attributes": "FaceAttributes",
}


def open_network(name: str, options: Mapping[str, Any]) -> Network:
    """Return a new network with random weights.

    Raises:
        TrainingError: There is no such network, or it has no such option.
    """
    if name not in _CLASSES:
        raise TrainingError(f"there is no network {name}; there are {', '.join(sorted(_CLASSES))}")
    try:
        network: Network = getattr(import_module(f"training.networks.{name}"), _CLASSES[name])(**options)
    except TypeError as error:
        raise TrainingError(f"network {name}: {error}") from None
    return network
