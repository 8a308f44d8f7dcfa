"""What every `networks.Network` must do."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.adapters.mtcnn_wheel import read_weights, wheel_folder
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.adapters.runtimes import runtime
from pipeline.errors import ConfigurationError
from pipeline.networks import TensorType
from pipeline.resources import resource
from pipeline.stages.detect.mtcnn import Mtcnn
from pipeline.stages.detect.yunet import Yunet
from tests.pictures import astronaut_bgr
from tests.runtimes import RUNTIMES, opener
from tests.shared import shared_path
from tests.triton_models import MODEL, newest_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.networks import Network
    from pipeline.types import Detections, UInt8


@cache
def model_bytes() -> bytes:
    return (resource("triton_models") / MODEL / str(newest_version(MODEL)) / "model.onnx").read_bytes()


@pytest.fixture(params=RUNTIMES)
def network(request: pytest.FixtureRequest) -> Network:
    return opener(request.param)(model_bytes())


def crops(count: int) -> UInt8:
    return np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3)).astype(np.uint8)


def test_the_signature_is_what_the_file_declares(network: Network) -> None:
    assert network.signature.inputs == {"face": TensorType(dtype="uint8", shape=(None, 112, 112, 3))}
    assert network.signature.outputs == {
        "age_probs": TensorType(dtype="float32", shape=(None, 101)),
        "gender_probs": TensorType(dtype="float32", shape=(None, 2)),
    }


def test_outputs_come_as_they_are_asked_for(network: Network) -> None:
    age, gender = network.run({"face": crops(2)})
    assert (age.shape, gender.shape) == ((2, 101), (2, 2))
    (alone,) = network.run({"face": crops(2)}, ["gender_probs"])
    np.testing.assert_array_equal(alone, gender)
    assert [each.shape for each in network.run({"face": crops(3)}, ["gender_probs", "age_probs"])] == [(3, 2), (3, 101)]


def test_an_answer_is_the_callers_own(network: Network) -> None:
    first, _ = network.run({"face": crops(1)})
    kept = first.copy()
    second, _ = network.run({"face": crops(1)[:, ::-1].copy()})
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(second, kept)


def test_threads_do_not_disturb_each_other_nor_lose_their_cores(network: Network) -> None:
    batches = [crops(count) for count in (1, 2, 3, 4) * 4]
    alone = [network.run({"face": batch})[0] for batch in batches]

    def run(batch: UInt8) -> tuple[UInt8, set[int]]:
        return network.run({"face": batch})[0], os.sched_getaffinity(0)

    with ThreadPoolExecutor(4) as pool:
        for expected, (answer, cores) in zip(alone, pool.map(run, batches), strict=True):
            np.testing.assert_array_equal(answer, expected)
            assert cores == os.sched_getaffinity(0)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("content", [b"", b"\x08\x99garbage", b"no network at all", model_bytes()[:-1000]])
def test_other_bytes_are_refused(name: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"ONNX|OpenVINO"):
        opener(name)(content)


def test_a_runtime_that_is_not_installed_is_the_users_matter() -> None:
    with pytest.raises(ConfigurationError, match=r"HEADCOUNT_RUNTIME=openvino.*headcount\[openvino\]"):
        runtime("openvino", find=lambda _: None)


def pictures() -> Iterator[UInt8]:
    yield astronaut_bgr()
    yield astronaut_bgr()[:361, :487].copy()
    yield np.concatenate([astronaut_bgr(), astronaut_bgr()[:, ::-1]], axis=1)
    yield np.random.default_rng(0).integers(0, 256, (90, 160, 3)).astype(np.uint8)


@cache
def found_by(detector: str, name: str) -> list[Detections]:
    weights = shared_path("models/detect/yunet_n_dynamic.onnx").read_bytes()
    made = (
        Yunet(weights, name="yunet", low_threshold=0.3, open_network=opener(name))
        if detector == "yunet"
        else Mtcnn(read_weights(wheel_folder()), name="mtcnn", low_threshold=0.3, open_network=opener(name))
    )
    return [made.detect(picture) for picture in pictures()]


@pytest.mark.parametrize("detector", ["yunet", "mtcnn"])
def test_every_runtime_finds_the_same_faces(detector: str) -> None:
    reference, others = (found_by(detector, name) for name in RUNTIMES)
    assert sum(map(len, reference)) >= 4
    for one, other in zip(reference, others, strict=True):
        np.testing.assert_allclose(other.xyxy, one.xyxy, atol=0.01)
        np.testing.assert_allclose(other.landmarks, one.landmarks, atol=0.01)
        np.testing.assert_allclose(other.score, one.score, atol=1e-4)


@pytest.mark.parametrize("model", ["face_attributes", "face_attributes_research"])
def test_every_runtime_classifies_alike(model: str) -> None:
    reference, other = (OnnxClassifier(resource("triton_models"), model, opener(name)).classify(crops(9)) for name in RUNTIMES)
    np.testing.assert_allclose(other.age_probs, reference.age_probs, atol=1e-5)
    np.testing.assert_allclose(other.gender_probs, reference.gender_probs, atol=1e-5)
