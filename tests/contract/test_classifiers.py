"""The contract of the `Classifier`, on ONNX Runtime, on OpenVINO, and on the real Triton."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.onnx import OnnxClassifier
from pipeline.adapters.triton import TritonClassifier, TritonClient, known_answers
from pipeline.errors import ConfigurationError
from pipeline.resources import resource
from tests.clocks import RealClock
from tests.contract.classifier import MODEL, ClassifierContract, noise, reference
from tests.metered import metered
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

    def test_requests_and_their_time_are_counted(self, classifier: Classifier) -> None:
        classifier.classify(noise(1))
        counted = {"headcount_triton_requests_total": {"outcome": "ok"}, "headcount_triton_request_seconds_count": {}}
        before = [metered(name, **labels) for name, labels in counted.items()]
        seconds = metered("headcount_triton_request_seconds_sum")
        classifier.classify(noise(65))  # one more than fit into a request
        assert [metered(name, **labels) for name, labels in counted.items()] == [count + 2 for count in before]
        assert metered("headcount_triton_request_seconds_sum") > seconds

    def test_there_is_a_sign_of_life_before_each_request(self, triton_server: Triton) -> None:
        client, beats = TritonClient(triton_server.url, timeout_s=20.0, in_flight=4), list[int]()
        classifier = TritonClassifier(client, MODEL, known={}, clock=RealClock(), beat=lambda: beats.append(1))
        classifier.classify(noise(1))
        before = len(beats)
        classifier.classify(noise(130))
        assert (before, len(beats) - before) == (2, 3)
        client.close()

    def test_what_triton_refuses_is_counted_as_that(self, triton_server: Triton) -> None:
        client = TritonClient(triton_server.url, timeout_s=20.0, in_flight=1)
        refused = metered("headcount_triton_requests_total", outcome="refused")
        with pytest.raises(ConfigurationError, match="batch-size must be <= 64"):
            client.infer(MODEL, "", {"face": noise(65)})
        assert metered("headcount_triton_requests_total", outcome="refused") == refused + 1
        client.close()
