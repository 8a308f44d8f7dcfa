"""What a crop costs in each model of the repository, as a multiple of the smallest retail network; one thread."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from pipeline.adapters.model_config import models as names_in
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.adapters.runtimes import runtime
from pipeline.settings import load_settings
from services.brain import model_repository
from tests.bench.measure import Figure, alternately, cost_of, cpu, ratio
from tests.shared import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable

    import openvino

    from tests.bench.measure import Cost
    from tests.bench.setup import Setup

_RUNTIMES = ("onnxruntime", "openvino")
_BATCHES = (1, 32)
_CROPS = 64  # a repeat
_BASELINE = SHARED / "models" / "baseline" / "age-gender-recognition-retail-0013.xml"
_ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}


def models(setup: Setup) -> list[Figure]:
    """Milliseconds a crop in batches of 1 and 32, of each model and runtime, and against OpenVINO's retail-0013 where that is at hand."""
    repository = model_repository(load_settings())
    actions: dict[str, Callable[[], Cost]] = {}
    for name in filter(find_spec, _RUNTIMES):
        for model in names_in(repository):
            classifier = OnnxClassifier(repository, model, runtime(name))
            actions |= {f"{name}, {model}, batch {batch}": partial(_classified, classifier, batch) for batch in _BATCHES}
    baselines = {batch: _baseline(batch) for batch in _BATCHES} if _BASELINE.exists() and find_spec("openvino") else {}
    actions |= {_retail(batch): partial(_inferred, request, batch) for batch, request in baselines.items()}
    for action in actions.values():
        action()
    costs = alternately(setup.repeats, actions)
    figures = {name: cpu(name, costs[name], unit="ms", scale=1000 / _CROPS) for name in actions}
    ratios = [
        ratio(f"{name} : retail-0013", figure, figures[_retail(batch)])
        for batch in baselines
        for name, figure in figures.items()
        if name.endswith(f"batch {batch}") and name != _retail(batch)
    ]
    return [*figures.values(), *ratios]


def _retail(batch: int) -> str:
    return f"openvino, retail-0013 int8, batch {batch}"


def _classified(classifier: OnnxClassifier, batch: int) -> Cost:
    crops = np.random.default_rng(0).integers(0, 256, (batch, 112, 112, 3)).astype(np.uint8)
    return cost_of(lambda: [classifier.classify(crops) for _ in range(_CROPS // batch)])


def _baseline(batch: int) -> openvino.InferRequest:
    import openvino  # noqa: PLC0415 - optional

    core = openvino.Core()
    network = core.read_model(_BASELINE)
    network.reshape([batch, 3, 62, 62])
    return core.compile_model(network, "CPU", _ONE_THREAD).create_infer_request()


def _inferred(request: openvino.InferRequest, batch: int) -> Cost:
    planes = np.random.default_rng(0).uniform(0, 255, (batch, 3, 62, 62)).astype(np.float32)
    return cost_of(lambda: [request.infer([planes]) for _ in range(_CROPS // batch)])
