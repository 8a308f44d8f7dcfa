"""The YuNet face detector; imports types and networks only.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector" (2023). The decoding and the score, sqrt(class x object), are
those of OpenCV's FaceDetectorYN, so that thresholds mean the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx

from pipeline.networks import OnnxRuntimeNetwork
from pipeline.stages.detect.boxes import detections, suppress

if TYPE_CHECKING:
    from pipeline.networks import OpenNetwork
    from pipeline.types import Detections, Float32, UInt8

_STRIDES = (8, 16, 32)
_PARTS = ("cls", "obj", "bbox", "kps")
_OUTPUTS = [f"{part}_{stride}" for part in _PARTS for stride in _STRIDES]
_MAX_IOU = 0.3  # OpenCV's default
_NEARLY = 0.999  # of the squared threshold: roundings may not lose a cell


class Yunet:
    """YuNet, from the official dynamic file or one of fixed size (whose sides are freed on loading).

    Raises:
        ValueError: The bytes are not a YuNet network.
    """

    def __init__(self, model: bytes, *, name: str, low_threshold: float, open_network: OpenNetwork = OnnxRuntimeNetwork) -> None:
        self._network = open_network(_with_free_sides(model))
        self._low_threshold = low_threshold
        self.name = name
        signature = self._network.signature
        missing = set(_OUTPUTS) - set(signature.outputs)
        if missing or list(signature.inputs) != ["input"]:
            raise ValueError(f"expected a YuNet network with one input and the outputs {', '.join(_OUTPUTS)}; {len(missing)} are missing")

    def detect(self, picture: UInt8) -> Detections:
        """Find faces in (h, w, 3) uint8 BGR; boxes in its pixels, best first."""
        height, width = picture.shape[:2]
        rows, columns = (-(-side // _STRIDES[-1]) * _STRIDES[-1] for side in (height, width))
        answers = self._network.run({"input": _padded(picture, rows, columns)}, _OUTPUTS)
        levels = len(_STRIDES)
        cls, obj, bbox, kps = (np.concatenate([answer[0] for answer in answers[i : i + levels]]) for i in range(0, len(answers), levels))
        # Most cells are far below the threshold: what follows is done for the others only.
        cells = np.flatnonzero(cls[:, 0] * obj[:, 0] >= _NEARLY * self._low_threshold**2)
        score = np.sqrt(np.clip(cls[cells, 0], 0, 1) * np.clip(obj[cells, 0], 0, 1))
        cells, score = cells[score >= self._low_threshold], score[score >= self._low_threshold]
        corner, stride = (part[cells] for part in _grid(rows, columns))
        xyxy, landmarks = _decode(corner, stride, bbox[cells], kps[cells])
        kept = suppress(xyxy, score, _MAX_IOU)
        return detections(xyxy[kept], score[kept], landmarks[kept], (width, height))


def _padded(picture: UInt8, rows: int, columns: int) -> Float32:
    """Return the picture (h, w, 3) as planes (1, 3, rows, columns), zero to its right and below (five times as fast as OpenCV's blob)."""
    planes = np.zeros((1, 3, rows, columns), np.float32)
    for target, channel in zip(planes[0], cv2.split(picture), strict=True):
        target[: channel.shape[0], : channel.shape[1]] = channel
    return planes


@lru_cache(maxsize=16)
def _grid(rows: int, columns: int) -> tuple[Float32, Float32]:
    """Return each cell's place (n, 2) in its level, in cells, and its level's stride (n, 1), pixels."""
    shapes = [(rows // stride, columns // stride) for stride in _STRIDES]
    corner = np.concatenate([np.indices(shape, np.float32)[::-1].reshape(2, -1).T for shape in shapes])
    stride = np.repeat(np.array(_STRIDES, np.float32), [height * width for height, width in shapes])
    return corner, stride[:, None]


def _decode(corner: Float32, stride: Float32, bbox: Float32, kps: Float32) -> tuple[Float32, Float32]:
    """Return boxes (n, 4) and landmarks (n, 5, 2), pixels, of cells at `corner` (n, 2) with `stride` (n, 1)."""
    centre = (corner + bbox[:, :2]) * stride
    # A wild exponent becomes infinite here and is dropped as implausible.
    with np.errstate(over="ignore"):
        half = np.exp(bbox[:, 2:]) * stride / 2
    landmarks = (kps.reshape(-1, 5, 2) + corner[:, None]) * stride[:, None]
    return np.concatenate([centre - half, centre + half], axis=1), landmarks


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
