"""Opens ONNX networks for one thread each; imports nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Network:
    """An ONNX network in ONNX Runtime. Safe to use from several threads: a run keeps no state.

    Every run stays on the calling thread: lanes run side by side, and a pool of threads per network would fight with them.

    Raises:
        ValueError: The bytes are not a network that ONNX Runtime can run.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a plan is kept for every shape that was seen, and ours have no end of them
        options.log_severity_level = 4  # only what is fatal: its warnings go to stderr and are about the graph, not the user
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's classes have no other common ancestor
            raise ValueError(f"ONNX Runtime cannot load the network ({type(error).__name__})") from error
        self.inputs = {port.name: (port.type, tuple(port.shape)) for port in self._session.get_inputs()}
        self.outputs = {port.name: (port.type, tuple(port.shape)) for port in self._session.get_outputs()}

    def run(self, inputs: dict[str, NDArray[Any]], outputs: list[str] | None = None) -> list[NDArray[Any]]:
        """Return the named outputs (None: all, in the network's order)."""
        answers: list[NDArray[Any]] = self._session.run(outputs, inputs)
        return answers
