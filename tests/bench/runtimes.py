"""What a picture costs in the detector, and a crop in the model, by the runtime that runs them; one thread."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.adapters.detectors import make_detector
from pipeline.settings import load_settings
from services.brain import load_classifier
from tests.bench.measure import Figure, alternately, cost_of, cpu, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.measure import Cost
    from tests.bench.setup import Setup

_RUNTIMES = ("onnxruntime", "openvino")
_BATCHES = (1, 8, 32)
_PICTURE_SHAPE = (360, 640, 3)
_UNITS = 64  # pictures, or crops, a repeat


def runtimes(setup: Setup) -> list[Figure]:
    """Milliseconds a picture of 640x360 and a crop, in batches of 1, 8 and 32, of each runtime that is installed."""
    cv2.setNumThreads(1)
    actions: dict[str, Callable[[], Cost]] = {}
    for name in filter(find_spec, _RUNTIMES):
        actions |= _actions(name)
    for action in actions.values():
        action()
    costs = alternately(setup.repeats, actions)
    figures = {name: cpu(name, costs[name], unit="ms", scale=1000 / _UNITS) for name in actions}
    first, *others = (name for name in _RUNTIMES if find_spec(name))
    ratios = [
        ratio(f"{name} to {other}", figures[name], figures[other])
        for name, other in ((name.replace(first, second), name) for second in others for name in actions if name.startswith(first))
    ]
    return [*figures.values(), *ratios]


def _actions(runtime: str) -> dict[str, Callable[[], Cost]]:
    settings = load_settings(runtime=runtime)
    detector, classifier = make_detector(settings, lambda _: None), load_classifier(settings)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, _PICTURE_SHAPE).astype(np.uint8)
    actions: dict[str, Callable[[], Cost]] = {
        f"{runtime}, {detector.name}": partial(_repeated, _UNITS, partial(detector.detect, picture)),
    }
    for batch in _BATCHES:
        crops = rng.integers(0, 256, (batch, 112, 112, 3)).astype(np.uint8)
        actions[f"{runtime}, {classifier.name}, batch {batch}"] = partial(_repeated, _UNITS // batch, partial(classifier.classify, crops))
    return actions


def _repeated(calls: int, call: Callable[[], object]) -> Cost:
    return cost_of(lambda: [call() for _ in range(calls)])
