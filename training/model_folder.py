"""A model's folder in a Triton repository: what `pipeline/adapters/onnx.py` and Triton ask for beside the network."""

from __future__ import annotations

import shutil
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from pipeline.adapters.golden import read_golden
from pipeline.adapters.model_config import CONFIG_NAME, CONTRACT_INPUTS, CONTRACT_OUTPUTS
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.networks import OnnxRuntimeNetwork
from pipeline.stages.align import CROP_RECIPE
from training.errors import TrainingError
from training.golden import PICTURE, golden_folder, write_answer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.adapters.model_config import Port

MODEL_FILE = "model.onnx"
_MAX_BATCH_SIZE = 64
_CONFIG = Template("""\
name: "$name"
backend: "onnxruntime"
max_batch_size: $batch
input [
$inputs
]
output [
$outputs
]
instance_group [ { count: 1 kind: $kind } ]
dynamic_batching { $delay}
parameters { key: "crop_recipe" value: { string_value: "$crop_recipe" } }
""")


def version_file(folder: Path, version: int) -> Path:
    """Return where a version's network lies."""
    return folder / str(version) / MODEL_FILE


def newest_version(folder: Path) -> int:
    """Return the number of a folder's newest version; 0 where there is none."""
    return max((int(path.name) for path in folder.glob("*") if path.is_dir() and path.name.isdecimal()), default=0)


def complete(folder: Path) -> None:
    """Write what stands beside the newest network of a folder: both configurations, the golden picture and its answer.

    Raises:
        TrainingError: There is no network, or the product does not load the folder.
    """
    version = newest_version(folder)
    if not version or not version_file(folder, version).is_file():
        raise TrainingError(f"{folder} holds no network; export one first")
    (folder / "configs").mkdir(exist_ok=True)
    (folder / CONFIG_NAME).write_text(_config(folder.name, kind="KIND_GPU", delay="max_queue_delay_microseconds: 1000 "), encoding="utf-8")
    (folder / "configs" / "cpu.pbtxt").write_text(_config(folder.name, kind="KIND_CPU", delay=""), encoding="utf-8")
    if folder != golden_folder() and not (folder / PICTURE).exists():
        shutil.copyfile(golden_folder() / PICTURE, folder / PICTURE)
    _answer_golden(folder, version_file(folder, version))
    OnnxClassifier(folder.parent, folder.name)  # what the product would refuse is refused here


def _answer_golden(folder: Path, network: Path) -> None:
    crop = read_golden(golden_folder()).crop
    try:
        age_probs, gender_probs = OnnxRuntimeNetwork(network.read_bytes()).run({"face": crop[None]}, ["age_probs", "gender_probs"])
    except ValueError as error:
        raise TrainingError(f"{network} is no network of the contract in triton_models/README.md: {error}") from None
    write_answer(folder, age=float(age_probs[0] @ np.arange(101)), p_female=float(gender_probs[0, 0]))


def _config(name: str, *, kind: str, delay: str) -> str:
    return _CONFIG.substitute(
        name=name,
        batch=_MAX_BATCH_SIZE,
        inputs=_ports(CONTRACT_INPUTS),
        outputs=_ports(CONTRACT_OUTPUTS),
        kind=kind,
        delay=delay,
        crop_recipe=CROP_RECIPE,
    )


def _ports(ports: Iterable[Port]) -> str:
    return ",\n".join(
        f'  {{ name: "{port.name}" data_type: {port.data_type} dims: [ {", ".join(map(str, port.dims))} ] }}' for port in ports
    )
