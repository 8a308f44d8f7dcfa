"""The YuNet face detector on ONNX Runtime; imports types and networks only.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector" (2023). The decoding and the score, sqrt(class x object), are
those of OpenCV's FaceDetectorYN, so that thresholds mean the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx

from pipeline.networks import Network
from pipeline.stages.detect.boxes import detections, suppress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Detections, Float32, UInt8

_STRIDES = (8, 16, 32)
_PARTS = ("cls", "obj", "bbox", "kps")
_OUTPUTS = [f"{part}_{stride}" for part in _PARTS for stride in _STRIDES]
_MAX_IOU = 0.3  # OpenCV's default


class Yunet:
    """YuNet, from the official dynamic file or one of fixed size (whose sides are freed on loading).

    Raises:
        ValueError: The bytes are not a YuNet network.
    """

    def __init__(self, model: bytes, *, name: str, low_threshold: float) -> None:
        self._network = Network(_with_free_sides(model))
        self._low_threshold = low_threshold
        self.name = name
        missing = set(_OUTPUTS) - set(self._network.outputs)
        if missing or list(self._network.inputs) != ["input"]:
            raise ValueError(f"expected a YuNet network with one input and the outputs {', '.join(_OUTPUTS)}; {len(missing)} are missing")

    def detect(self, picture: UInt8) -> Detections:
        """Find faces in (h, w, 3) uint8 BGR; boxes in its pixels, best first."""
        height, width = picture.shape[:2]
        rows, columns = (-(-side // _STRIDES[-1]) * _STRIDES[-1] for side in (height, width))
        padded = cv2.copyMakeBorder(picture, 0, rows - height, 0, columns - width, cv2.BORDER_CONSTANT)
        answers = dict(zip(_OUTPUTS, self._network.run({"input": cv2.dnn.blobFromImage(padded)}, _OUTPUTS), strict=True))
        levels = [
            _decode({part: answers[f"{part}_{stride}"][0] for part in _PARTS}, stride, columns, self._low_threshold) for stride in _STRIDES
        ]
        xyxy, score, landmarks = (np.concatenate(part) for part in zip(*levels, strict=True))
        kept = suppress(xyxy, score, _MAX_IOU)
        return detections(xyxy[kept], score[kept], landmarks[kept], (width, height))


def _decode(level: dict[str, NDArray[Any]], stride: int, columns: int, low_threshold: float) -> tuple[Float32, Float32, Float32]:
    """Return boxes (n, 4), scores (n,) and landmarks (n, 5, 2) of one stride's cells from `low_threshold` on, pixels."""
    score = np.sqrt(np.clip(level["cls"][:, 0], 0, 1) * np.clip(level["obj"][:, 0], 0, 1))
    cells = np.flatnonzero(score >= low_threshold)
    corner = np.stack([cells % (columns // stride), cells // (columns // stride)], axis=1).astype(np.float32)
    centre = (corner + level["bbox"][cells, :2]) * stride
    # A wild exponent becomes infinite here and is dropped as implausible.
    with np.errstate(over="ignore"):
        half = np.exp(level["bbox"][cells, 2:]) * stride / 2
    landmarks = (level["kps"][cells].reshape(-1, 5, 2) + corner[:, None]) * stride
    return np.concatenate([centre - half, centre + half], axis=1), score[cells], landmarks


def _with_free_sides(model: bytes) -> bytes:
    """Return the network with height and width free: the fixed files fix them only in their declaration."""
    try:
        graph = onnx.load_model_from_string(model)
    except Exception as error:  # protobuf's own, which ships no types
        raise ValueError("expected an ONNX file") from error
    for port in graph.graph.input:
        for dimension, name in zip(port.type.tensor_type.shape.dim[2:], ("height", "width"), strict=False):
            dimension.dim_param = name
    for port in graph.graph.output:
        for dimension in port.type.tensor_type.shape.dim[1:2]:
            dimension.dim_param = "cells"
    freed: bytes = graph.SerializeToString()
    return freed
