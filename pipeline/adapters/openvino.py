"""Runs networks in OpenVINO, an optional package; the only importer of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import openvino

from pipeline.networks import read_signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_CONFIG = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # it would pin the calling threads, all of them to the first core, and for good
    "INFERENCE_PRECISION_HINT": "f32",  # else bf16 on processors that have it, with other answers
}


class OpenvinoNetwork:
    """A `networks.Network` in OpenVINO, on the processor.

    A compiled network does one run at a time, so there are as many as ever ran at once: each run takes an idle one.

    Raises:
        ValueError: The bytes are not a network that OpenVINO can run.
    """

    def __init__(self, model: bytes) -> None:
        self.signature = read_signature(model)
        self._places = {name: place for place, name in enumerate(self.signature.outputs)}
        self._core = openvino.Core()
        self._idle: deque[openvino.InferRequest] = deque()
        try:
            self._model = self._core.read_model(model)
            self._idle.append(self._compiled())
        except RuntimeError as error:
            raise ValueError("OpenVINO cannot load the network") from error

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> list[NDArray[Any]]:
        """Return the named outputs (None: all, in the network's order)."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled()
        try:
            request.infer(dict(inputs), share_inputs=True)
            return [request.get_output_tensor(self._places[name]).data.copy() for name in outputs or self._places]
        finally:
            self._idle.append(request)

    def _compiled(self) -> openvino.InferRequest:
        return self._core.compile_model(self._model, "CPU", _CONFIG).create_infer_request()
