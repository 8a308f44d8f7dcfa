"""Constructs what looks at records: the detector and the model, in this process or at Triton."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2

from pipeline.adapters.detectors import make_detector
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.adapters.runtimes import runtime
from pipeline.engine import Engine
from pipeline.errors import TransientError
from pipeline.resources import resource
from services.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.adapters.triton import TritonClassifier, TritonClient
    from pipeline.ports import Classifier
    from pipeline.settings import Settings
    from pipeline.watch import FrameTrace


@dataclass(frozen=True, slots=True, kw_only=True)
class Brain:
    """The loaded models, ready to look at records."""

    engine: Engine
    classifier: Classifier


def load_brain(
    settings: Settings,
    notice: Callable[[str], None],
    trace: Callable[[FrameTrace], None] | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Brain:
    """Load the detector and the model; each tests itself. A Triton that is away is told, and its model tested when it is back.

    Args:
        settings: Which ones.
        notice: Told what the user should know.
        trace: Told each analysed frame.
        beat: Told before each request to Triton.

    Raises:
        ConfigurationError: A model that was asked for is missing or is not what it should be.
    """
    cv2.setNumThreads(1)  # the lanes are the parallelism
    classifier = expect_classifier(settings, notice, beat)
    engine = Engine(make_detector(settings, notice), settings, trace)
    return Brain(engine=engine, classifier=classifier)


def load_classifier(settings: Settings) -> Classifier:
    """Load the age and gender model; it tests itself.

    Raises:
        ConfigurationError: There is no such model, or it fails its test; or the runtime is not installed.
        TransientError: Triton does not answer, or does not serve the model now.
    """
    if settings.triton_url is None:
        return OnnxClassifier(model_repository(settings), settings.model, runtime(settings.runtime))
    classifier = _at_triton(settings, settings.triton_url)
    classifier.check()
    return classifier


def expect_classifier(settings: Settings, notice: Callable[[str], None], beat: Callable[[], None] = lambda: None) -> Classifier:
    """Load the model as `load_classifier`; where Triton is away tell so, and let whoever classifies wait for it.

    Raises:
        ConfigurationError: There is no such model, or it fails its test; or the runtime is not installed.
    """
    if settings.triton_url is None:
        return load_classifier(settings)
    classifier = _at_triton(settings, settings.triton_url, beat)
    try:
        classifier.check()
    except TransientError as error:
        notice(f"model: {error}")
    return classifier


def open_triton(settings: Settings, url: str) -> TritonClient:
    """Return this process's connection to a Triton; it ends with the process."""
    return _connection(url, settings.triton_timeout_s, settings.triton_in_flight)


def connect_triton(settings: Settings) -> TritonClient:
    """Return the connection to the Triton that the settings name, or to that of this machine's stack."""
    return open_triton(settings, settings.triton_url or f"127.0.0.1:{settings.stack_triton_grpc_port}")


def model_repository(settings: Settings) -> Path:
    """Return the folder of the models that lie on this machine."""
    return settings.model_repository or resource("triton_models")


def _at_triton(settings: Settings, url: str, beat: Callable[[], None] = lambda: None) -> TritonClassifier:
    from pipeline.adapters.triton import TritonClassifier, known_answers  # noqa: PLC0415 - gRPC takes a second to import

    known = known_answers(model_repository(settings), settings.model)
    return TritonClassifier(open_triton(settings, url), settings.model, known=known, clock=SystemClock(), beat=beat)


@cache
def _connection(url: str, timeout_s: float, in_flight: int) -> TritonClient:
    from pipeline.adapters.triton import TritonClient  # noqa: PLC0415 - as above

    client = TritonClient(url, timeout_s=timeout_s, in_flight=in_flight)
    atexit.register(client.close)
    return client
