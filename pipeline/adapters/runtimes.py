"""Says what runs the networks, as the settings ask for it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError
from pipeline.networks import OnnxRuntimeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.networks import OpenNetwork


def runtime(name: str, *, find: Callable[[str], object | None] = find_spec) -> OpenNetwork:
    """Return what opens networks in the runtime of that name (`settings.runtime`).

    Raises:
        ConfigurationError: Its package is not installed.
    """
    if name == "onnxruntime":
        return OnnxRuntimeNetwork
    if find("openvino") is None:
        raise ConfigurationError("HEADCOUNT_RUNTIME=openvino: its package is not installed: pip install headcount[openvino]")
    from pipeline.adapters.openvino import OpenvinoNetwork  # noqa: PLC0415 - optional, and half a second to import

    return OpenvinoNetwork
