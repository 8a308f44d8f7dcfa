"""What a network is to those who run one, and the default: ONNX Runtime; imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import onnx
import onnxruntime

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorType:
    """What an input or output holds, as the file declares it."""

    dtype: str  # numpy's name
    shape: tuple[int | None, ...]  # None: free


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The inputs and outputs of a network by name, in its order."""

    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]


class Network(Protocol):
    """An ONNX network. Safe to use from several threads.

    Every run stays on the calling thread: lanes run side by side, and a pool of threads per network would fight with them.
    """

    @property
    def signature(self) -> Signature:
        """What goes in and comes out."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> list[NDArray[Any]]:
        """Return the named outputs (None: all, in the network's order); they are the caller's own."""
        ...


OpenNetwork: TypeAlias = Callable[[bytes], Network]
"""Opens the bytes of an ONNX file; raises ValueError where they are no network that can be run."""


class OnnxRuntimeNetwork:
    """A network in ONNX Runtime.

    Raises:
        ValueError: The bytes are not a network that ONNX Runtime can run.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a plan is kept for every shape that was seen, and ours have no end of them
        options.log_severity_level = 4  # only what is fatal: its warnings go to stderr and are about the graph, not the user
        self.signature = read_signature(model)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's classes have no other common ancestor
            raise ValueError(f"ONNX Runtime cannot load the network ({type(error).__name__})") from error

    def run(self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> list[NDArray[Any]]:
        """Return the named outputs (None: all, in the network's order)."""
        answers: list[NDArray[Any]] = self._session.run(outputs, inputs)
        return answers


def read_signature(model: bytes) -> Signature:
    """Return what an ONNX file declares.

    Raises:
        ValueError: It is no ONNX file.
    """
    try:
        graph = onnx.load_model_from_string(model).graph
    except Exception as error:  # protobuf's own, which ships no types
        raise ValueError("expected an ONNX file") from error
    weights = {tensor.name for tensor in graph.initializer}  # old files list them as inputs
    return Signature(
        inputs={port.name: _tensor_type(port) for port in graph.input if port.name not in weights},
        outputs={port.name: _tensor_type(port) for port in graph.output},
    )


def _tensor_type(port: onnx.ValueInfoProto) -> TensorType:
    tensor = port.type.tensor_type
    dimensions = (dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return TensorType(dtype=onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape=tuple(dimensions))
