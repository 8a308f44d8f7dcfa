"""What is exported answers as torch does, in each runtime, and holds nothing of the machine that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pipeline.networks import OnnxRuntimeNetwork
from tests.runtimes import RUNTIMES, opener
from tests.training.small import small_network
from training.errors import TrainingError
from training.export import IR_VERSION, OPSET, check_parity, export, store_as_half
from training.golden import parity_crops
from training.served import Served, Temperatures

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Float32, UInt8

OUTPUTS = ["age_probs", "gender_probs"]
NOTES = {"recipe": "default", "seed": "1"}


def answers(path: Path, crops: UInt8, runtime: str) -> list[Float32]:
    return opener(runtime)(path.read_bytes()).run({"face": crops}, OUTPUTS)


def torchs(served: Served, crops: UInt8) -> list[Float32]:
    with torch.no_grad():
        found = served(torch.from_numpy(crops))
    return [found[name].numpy() for name in OUTPUTS]


def weights(path: Path) -> list[TensorProto]:
    return list(onnx.load_from_string(path.read_bytes()).graph.initializer)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without anything added."""
    path = tmp_path_factory.mktemp("plain") / "model.onnx"
    export(small_network(), path, notes=NOTES)
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with everything that can be added, of a network of another side."""
    path = tmp_path_factory.mktemp("full") / "model.onnx"
    export(small_network(side_px=64), path, flip=True, half=True, temperatures=Temperatures(age=1.7, gender=0.6))
    return path


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 3, 65])
def test_it_answers_as_torch_does_in_batches_of_any_size(plain: Path, runtime: str, count: int) -> None:
    crops = np.tile(parity_crops(), (9, 1, 1, 1))[:count]
    for answer, wanted in zip(answers(plain, crops, runtime), torchs(Served(small_network()), crops), strict=True):
        np.testing.assert_allclose(answer, wanted, atol=1e-5)
        np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 65])
def test_so_it_does_with_everything_added(full: Path, runtime: str, count: int) -> None:
    crops = np.tile(parity_crops(), (9, 1, 1, 1))[:count]
    served = Served(small_network(side_px=64), flip=True, temperatures=Temperatures(age=1.7, gender=0.6))
    for answer, wanted in zip(answers(full, crops, runtime), torchs(served, crops), strict=True):
        np.testing.assert_allclose(answer, wanted, atol=5e-3)  # weights are stored as float16
        np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_its_answers_are_not_all_the_same(plain: Path) -> None:
    assert all(np.ptp(answer, axis=0).max() > 0.001 for answer in answers(plain, parity_crops(), "onnxruntime"))


def test_half_precision_takes_two_bytes_a_weight(plain: Path, full: Path) -> None:
    floats = [{tensor.data_type for tensor in weights(path) if np.prod(tensor.dims) >= 256} for path in (plain, full)]
    assert floats == [{TensorProto.FLOAT}, {TensorProto.FLOAT16}]


def test_weights_beyond_float16_are_refused_by_name() -> None:
    large = numpy_helper.from_array(np.full(256, 70_000, np.float32), "head.weight")
    with pytest.raises(TrainingError, match=r"the weights head\.weight do not fit into float16"):
        store_as_half(helper.make_graph([], "graph", [], [], [large]))


def test_tensors_that_are_small_or_no_floats_stay_as_they_are() -> None:
    kept = [numpy_helper.from_array(np.ones(255, np.float32), "small"), numpy_helper.from_array(np.ones(256, np.int64), "places")]
    graph = helper.make_graph([], "graph", [], [], kept)
    store_as_half(graph)
    assert [(tensor.name, tensor.data_type) for tensor in graph.initializer] == [
        ("small", TensorProto.FLOAT),
        ("places", TensorProto.INT64),
    ]
    assert not graph.node


def test_the_file_is_the_same_each_time_and_says_how_it_was_made(plain: Path, tmp_path: Path) -> None:
    export(small_network(), tmp_path / "model.onnx", notes=NOTES)
    model = onnx.load_from_string(plain.read_bytes())
    assert (tmp_path / "model.onnx").read_bytes() == plain.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert {entry.key: entry.value for entry in model.metadata_props} == NOTES
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)


def test_the_graph_holds_no_path_and_no_normalisation_that_could_be_folded(plain: Path) -> None:
    model = onnx.load_from_string(plain.read_bytes())
    assert ".py" not in str(model)
    assert not {"BatchNormalization", "Identity", "Dropout"} & {node.op_type for node in model.graph.node}


def test_another_answer_than_torchs_is_noticed(plain: Path) -> None:
    with pytest.raises(TrainingError, match=r"differs from torch by .* in age_probs, more than 1e-04"):
        check_parity(Served(small_network(seed=2)), plain.read_bytes(), parity_crops(), tolerance=1e-4)


def test_an_answer_that_is_no_number_is_noticed(plain: Path) -> None:
    network = small_network()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="differs from torch by nan"):
        check_parity(Served(network), plain.read_bytes(), parity_crops(), tolerance=1.0)


def test_the_signature_is_the_contracts(plain: Path) -> None:
    signature = OnnxRuntimeNetwork(plain.read_bytes()).signature
    assert {name: tensor.shape for name, tensor in signature.inputs.items()} == {"face": (None, 112, 112, 3)}
    assert {name: tensor.shape for name, tensor in signature.outputs.items()} == {"age_probs": (None, 101), "gender_probs": (None, 2)}
