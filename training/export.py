"""Network -> ONNX file of the contract in triton_models/README.md, which answers as torch does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript import optimizer

from training.errors import TrainingError
from training.golden import parity_crops
from training.served import CONTRACT_OUTPUTS, Served

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from onnx import GraphProto, ModelProto

    from pipeline.types import UInt8
    from training.networks.base import Network
    from training.served import Temperatures

OPSET = 18
IR_VERSION = 8  # what ONNX Runtime 1.14, OpenVINO 2023 and Triton 23.03 read
_ANY_SIZE = 1 << 40
_LARGE = 256  # numbers: smaller tensors are not worth a node
_TOLERANCE = {False: 1e-4, True: 1e-2}  # of a probability; by whether weights are stored as float16


def export(
    network: Network,
    path: Path,
    *,
    flip: bool = False,
    half: bool = False,
    temperatures: Temperatures | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a network as the model that is served; the file is there whole or not at all.

    Args:
        network: With its final weights.
        path: The ONNX file.
        flip: Average the answers to the face and to its mirror image; twice the cost.
        half: Store weights as float16: half the size; it is computed in float32 all the same.
        temperatures: Of the outputs.
        notes: Go into the file's metadata: recipe, seed, licence.

    Raises:
        TrainingError: ONNX Runtime answers otherwise than torch.
    """
    served = Served(network, flip=flip, temperatures=temperatures)
    model = _traced(served)
    if half:
        store_as_half(model.graph)
    helper.set_model_props(model, dict(sorted((notes or {}).items())))
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    check_parity(served, content, parity_crops(), tolerance=_TOLERANCE[half])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def check_parity(served: Served, content: bytes, crops: UInt8, *, tolerance: float) -> None:
    """Compare what a file answers with what torch answers.

    Raises:
        TrainingError: They differ by more than the tolerance, or one is no number.
    """
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = {name: tensor.numpy() for name, tensor in served(torch.from_numpy(crops)).items()}
    for name, answer in zip(wanted, session.run(list(wanted), {"face": crops}), strict=True):
        difference = float(np.abs(answer - wanted[name]).max())
        if not difference <= tolerance:
            raise TrainingError(f"the exported network differs from torch by {difference:.1e} in {name}, more than {tolerance:.0e}")


def store_as_half(graph: GraphProto) -> None:
    """Store large weights as float16, each with the cast that gives them back; runtimes fold it when they load the file.

    Raises:
        TrainingError: A weight is too large for float16.
    """
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _LARGE:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise TrainingError(f"the weights {tensor.name} do not fit into float16; export without half")
        casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], name=f"{tensor.name}_cast", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])


def _traced(served: Served) -> ModelProto:
    """Return the graph with constants folded, batch normalisation within the convolutions, and nothing of this machine in it."""
    for name in ("torch.onnx", "torch.utils.flop_counter"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they warn of packages that we do not use
    example = torch.from_numpy(parity_crops()[:2])
    with torch.no_grad():
        names = list(served(example))
    program = torch.onnx.export(
        served,
        (example,),
        input_names=["face"],
        output_names=names,
        opset_version=OPSET,
        dynamic_shapes={"face": {0: torch.export.Dim.DYNAMIC}},
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    if program is None:
        raise TrainingError("torch cannot export this network")
    model: ModelProto = optimizer.optimize(program.model_proto, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    assert names[:2] == list(CONTRACT_OUTPUTS)
    return _plain(model)


def _plain(model: ModelProto) -> ModelProto:
    """Return a model without the exporter's traces: they name files of this machine, and older readers refuse them."""
    graph = model.graph
    plain = helper.make_graph(list(graph.node), "headcount", list(graph.input), list(graph.output), list(graph.initializer))
    for item in (*plain.node, *plain.input, *plain.output, *plain.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    return helper.make_model(plain, producer_name="headcount-train", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
