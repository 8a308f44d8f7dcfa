"""Small ONNX files made on the spot: what they answer is written into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

EVEN_AGES = np.full(101, 1 / 101)


def write_model(path: Path, age: ArrayLike = EVEN_AGES, gender: ArrayLike | None = None, *, side: int = 112, ages: int = 101) -> Path:
    """Write a model that gives every face the same answer; P(female) is the share of brightness where `gender` is None.

    Args:
        path: The file.
        age: (ages,) its answer.
        gender: (2,) its answer.
        side: Of the crops that it takes.
        ages: How many years it knows.
    """
    white = 255 * side * side * 3
    nodes = [
        helper.make_node("Cast", ["face"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float", "axes"], ["sum"], keepdims=0),
        helper.make_node("Reshape", ["sum", "column"], ["light"]),
        helper.make_node("Mul", ["light", "nothing"], ["dark"]),
        helper.make_node("Add", ["dark", "age"], ["age_probs"]),
    ]
    if gender is None:
        nodes += [
            helper.make_node("Div", ["light", "white"], ["female"]),
            helper.make_node("Sub", ["one", "female"], ["male"]),
            helper.make_node("Concat", ["female", "male"], ["gender_probs"], axis=1),
        ]
    else:
        nodes.append(helper.make_node("Add", ["dark", "gender"], ["gender_probs"]))
    floats = {"nothing": [0.0], "white": [white], "one": [1.0], "age": age, "gender": [0.0] if gender is None else gender}
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in floats.items()]
    integers = {"axes": [1, 2, 3], "column": [-1, 1]}
    constants += [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in integers.items()]
    graph = helper.make_graph(
        nodes,
        "painted",
        [helper.make_tensor_value_info("face", TensorProto.UINT8, ["n", side, side, 3])],
        [
            helper.make_tensor_value_info("age_probs", TensorProto.FLOAT, ["n", ages]),
            helper.make_tensor_value_info("gender_probs", TensorProto.FLOAT, ["n", 2]),
        ],
        constants,
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path
