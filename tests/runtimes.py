"""What runs networks, for suites that hold for each of them; an optional package may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.runtimes import runtime

if TYPE_CHECKING:
    from pipeline.networks import OpenNetwork

RUNTIMES = ("onnxruntime", "openvino")


def opener(name: str) -> OpenNetwork:
    """Return what opens networks; skip the test where its package is not installed."""
    pytest.importorskip(name, reason=f"needs the package {name}")
    return runtime(name)
