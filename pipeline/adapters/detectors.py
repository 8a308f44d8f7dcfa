"""Makes the detector that the settings ask for, from the files that are at hand or can be fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.adapters.model_files import YUNET, ModelFile, obtain
from pipeline.adapters.mtcnn_wheel import read_weights, wheel_folder
from pipeline.adapters.runtimes import runtime
from pipeline.errors import ConfigurationError, TransientError
from pipeline.stages.detect.haar import Haar
from pipeline.stages.detect.mtcnn import Mtcnn
from pipeline.stages.detect.yunet import Yunet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.networks import OpenNetwork
    from pipeline.ports import Detector
    from pipeline.settings import Settings

# First eight digits of the SHA-256 of the files that are published, and the size of the network in them.
_YUNET_SIZES = {"104ee26c": "n", "25a606a1": "n", "8f2383e4": "s"}


def make_detector(settings: Settings, notice: Callable[[str], None], *, yunet: ModelFile = YUNET) -> Detector:
    """Return the detector that `settings` name; `auto` is YuNet where its file can be had, else MTCNN.

    Args:
        settings: `detector`, `detector_model`, `detector_low_threshold`, `runtime` and `data_dir` are read.
        notice: Is told in one line which detector `auto` took, and why.
        yunet: What to download where no file is given.

    Raises:
        ConfigurationError: A file that was asked for is missing or is no such model, or the runtime is not installed.
    """
    low_threshold = settings.detector_low_threshold
    if settings.detector == "haar":
        return _haar(low_threshold)
    open_network = runtime(settings.runtime)
    if settings.detector == "mtcnn":
        return _mtcnn(low_threshold, open_network)
    try:
        detector = _yunet(_yunet_content(settings, yunet), low_threshold, open_network)
    except TransientError as error:
        if settings.detector == "yunet":
            raise ConfigurationError(f"HEADCOUNT_DETECTOR=yunet: {error}; name a copy in HEADCOUNT_DETECTOR_MODEL, or use mtcnn") from None
        notice(f"detector: mtcnn, because {error}; yunet is better: name its file in HEADCOUNT_DETECTOR_MODEL")
        return _mtcnn(low_threshold, open_network)
    if settings.detector == "auto":
        notice(f"detector: {detector.name}")
    return detector


def models_folder(data_dir: Path) -> Path:
    """Return where downloaded models are kept."""
    return data_dir / "models"


def _yunet_content(settings: Settings, yunet: ModelFile) -> bytes:
    path = settings.detector_model
    if path is None:
        return obtain(yunet, models_folder(settings.data_dir))
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"HEADCOUNT_DETECTOR_MODEL: {path} cannot be read ({error.strerror})") from None


def _yunet(content: bytes, low_threshold: float, open_network: OpenNetwork) -> Detector:
    digits = hashlib.sha256(content).hexdigest()[:8]
    size = _YUNET_SIZES.get(digits)
    name = f"yunet-{size}@{digits}" if size else f"yunet@{digits}"
    try:
        return Yunet(content, name=name, low_threshold=low_threshold, open_network=open_network)
    except ValueError as error:
        raise ConfigurationError(f"HEADCOUNT_DETECTOR_MODEL is not a YuNet model: {error}") from None


def _mtcnn(low_threshold: float, open_network: OpenNetwork) -> Detector:
    weights = read_weights(wheel_folder())
    return Mtcnn(weights, name="mtcnn@1.0.0", low_threshold=low_threshold, open_network=open_network)


def _haar(low_threshold: float) -> Detector:
    try:
        return Haar(low_threshold=low_threshold)
    except ValueError as error:
        raise ConfigurationError(f"HEADCOUNT_DETECTOR=haar: {error}; use yunet or mtcnn") from None
