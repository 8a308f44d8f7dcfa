"""MTCNN's three networks as ONNX graphs, built in memory from their weights; imports networks only.

Zhang et al.: "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016). The weights are
lists of arrays in Keras' order and layout (convolutions height, width, in, out; dense in, out). All networks take
`patches` (n, 3, h, w) float32 RGB, (value - 127.5) / 128.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.networks import Network, OpenNetwork

Weights: TypeAlias = Sequence["NDArray[Any]"]

_OPSET = 17
_IR_VERSION = 8


class _Graph:
    """A chain of layers that takes its weights in order."""

    def __init__(self, weights: Weights) -> None:
        self._weights = iter(weights)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - as onnx.helper takes them
        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"weight{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def convolve(self, value: str) -> str:
        kernel = self._constant(np.transpose(next(self._weights), (3, 2, 0, 1)))
        return self.add("Conv", value, kernel, self._constant(next(self._weights)))

    def rectify(self, value: str) -> str:
        slope = next(self._weights)
        return self.add("PRelu", value, self._constant(slope.reshape(-1, 1, 1) if slope.ndim > 1 else slope))

    def pool(self, value: str, size: int, padding: str) -> str:
        return self.add("MaxPool", value, kernel_shape=[size, size], strides=[2, 2], auto_pad=padding)

    def flatten(self, value: str) -> str:
        # Keras saw width before height, channels last.
        return self.add("Flatten", self.add("Transpose", value, perm=[0, 3, 2, 1]))

    def connect(self, value: str) -> str:
        matrix = self._constant(next(self._weights))
        return self.add("Gemm", value, matrix, self._constant(next(self._weights)))

    def network(self, outputs: Sequence[str], open_network: OpenNetwork) -> Network:
        ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        patches = helper.make_tensor_value_info("patches", TensorProto.FLOAT, ["n", 3, "height", "width"])
        graph = helper.make_graph(self._nodes, "mtcnn", [patches], ports, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        return open_network(model.SerializeToString())


def proposal_network(weights: Weights, open_network: OpenNetwork) -> Network:
    """Return PNet: offsets (n, 4, h', w') and probabilities (n, 2, h', w') of each 12x12 cell, 2 pixels apart."""
    graph = _Graph(weights)
    value = graph.pool(graph.rectify(graph.convolve("patches")), 2, "SAME_UPPER")
    value = graph.rectify(graph.convolve(value))
    value = graph.rectify(graph.convolve(value))
    offsets = graph.convolve(value)
    return graph.network([offsets, graph.add("Softmax", graph.convolve(value), axis=1)], open_network)


def refinement_network(weights: Weights, open_network: OpenNetwork) -> Network:
    """Return RNet: offsets (n, 4) and probabilities (n, 2) of 24x24 patches."""
    graph = _Graph(weights)
    value = graph.pool(graph.rectify(graph.convolve("patches")), 3, "SAME_UPPER")
    value = graph.pool(graph.rectify(graph.convolve(value)), 3, "VALID")
    value = graph.flatten(graph.rectify(graph.convolve(value)))
    value = graph.rectify(graph.connect(value))
    offsets = graph.connect(value)
    return graph.network([offsets, graph.add("Softmax", graph.connect(value), axis=1)], open_network)


def output_network(weights: Weights, open_network: OpenNetwork) -> Network:
    """Return ONet: offsets (n, 4), landmarks (n, 10: five x, five y) and probabilities (n, 2) of 48x48 patches."""
    graph = _Graph(weights)
    value = graph.pool(graph.rectify(graph.convolve("patches")), 3, "SAME_UPPER")
    value = graph.pool(graph.rectify(graph.convolve(value)), 3, "VALID")
    value = graph.pool(graph.rectify(graph.convolve(value)), 2, "SAME_UPPER")
    value = graph.flatten(graph.rectify(graph.convolve(value)))
    value = graph.rectify(graph.connect(value))
    offsets = graph.connect(value)
    landmarks = graph.connect(value)
    return graph.network([offsets, landmarks, graph.add("Softmax", graph.connect(value), axis=1)], open_network)
