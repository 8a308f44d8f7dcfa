"""The contract of the `Classifier`, on ONNX Runtime, on OpenVINO, and on the real Triton."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.onnx import OnnxClassifier
from pipeline.adapters.triton import TritonClassifier, TritonClient, known_answers
from pipeline.resources import resource
from tests.clocks import RealClock
from tests.contract.classifier import MODEL, ClassifierContract, reference
from tests.runtimes import opener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import Classifier
    from tests.servers.triton import Triton


@cache
def openvino() -> OnnxClassifier:
    return OnnxClassifier(resource("triton_models"), MODEL, opener("openvino"))


class TestOnnxRuntime(ClassifierContract):
    @pytest.fixture
    def classifier(self) -> Classifier:
        return reference()


class TestOpenvino(ClassifierContract):
    @pytest.fixture
    def classifier(self) -> Classifier:
        return openvino()


class TestTriton(ClassifierContract):
    @pytest.fixture
    def classifier(self, triton_server: Triton) -> Iterator[Classifier]:
        client = TritonClient(triton_server.url, timeout_s=20.0, in_flight=4)
        yield TritonClassifier(client, MODEL, known=known_answers(resource("triton_models"), MODEL), clock=RealClock())
        client.close()
