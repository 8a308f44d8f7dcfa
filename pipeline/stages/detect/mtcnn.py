"""The MTCNN face detector; imports types, networks and the detectors' own modules only.

Zhang et al. (2016): an image pyramid goes through a proposal network, its boxes through a refining and an output network.
Scale step, suppression and the refining threshold are those of the paper's code; the proposals' is 0.7 instead of 0.6 (a fifth faster,
the same faces found on the clip of docs/models.md) and the last one is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.networks import OnnxRuntimeNetwork
from pipeline.stages.detect.boxes import detections, plausible, suppress, suppress_contained
from pipeline.stages.detect.mtcnn_networks import Weights, output_network, proposal_network, refinement_network
from pipeline.types import Detections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.networks import OpenNetwork
    from pipeline.types import Float32, UInt8

_CELL_PX = 12  # what the proposal network sees of the picture at once
_STRIDE_PX = 2
_SMALLEST_FACE_PX = 20
_SCALE_STEP = 0.709
_PROPOSAL_SCORE = 0.7
_REFINED_SCORE = 0.7
_MAX_IOU_IN_SCALE = 0.5
_MAX_IOU = 0.7
_REFINED_SIDE_PX = 24
_OUTPUT_SIDE_PX = 48
# The output network is surer of itself than YuNet: cubed, a score of 0.6 is its 0.84 (the paper's code asks for 0.7 to 0.8).
_SCORE_POWER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MtcnnWeights:
    """The weights of the three networks, each in Keras' order."""

    proposal: Weights
    refinement: Weights
    output: Weights


class Mtcnn:
    """MTCNN for faces from 20 pixels on; `score` is the output network's probability, cubed to compare with YuNet's."""

    def __init__(self, weights: MtcnnWeights, *, name: str, low_threshold: float, open_network: OpenNetwork = OnnxRuntimeNetwork) -> None:
        self._propose = proposal_network(weights.proposal, open_network)
        self._refine = refinement_network(weights.refinement, open_network)
        self._output = output_network(weights.output, open_network)
        self._low_threshold = low_threshold
        self.name = name

    def detect(self, picture: UInt8) -> Detections:
        """Find faces in (h, w, 3) uint8 BGR; boxes in its pixels, best first."""
        rgb = np.ascontiguousarray(picture[:, :, ::-1])
        size_wh = (rgb.shape[1], rgb.shape[0])
        candidates = self._refined(rgb, self._proposals(rgb))
        if not len(candidates):
            return Detections.none()
        offsets, points, probabilities = self._output.run({"patches": _patches(rgb, candidates, _OUTPUT_SIDE_PX)})
        score = probabilities[:, 1] ** _SCORE_POWER
        sides = candidates[:, 2:] - candidates[:, :2]
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + candidates[:, None, :2]
        xyxy = _moved(candidates, offsets)
        above = np.flatnonzero((score >= self._low_threshold) & plausible(xyxy, size_wh))
        kept = above[suppress_contained(xyxy[above], score[above], _MAX_IOU)]
        return detections(xyxy[kept], score[kept], landmarks[kept], size_wh)

    def _proposals(self, rgb: UInt8) -> Float32:
        """Return square candidates (n, 4) of the pyramid."""
        found = [self._proposals_at(rgb, scale) for scale in _scales(rgb.shape[0], rgb.shape[1])]
        if not found:
            return np.zeros((0, 4), np.float32)
        xyxy, score = (np.concatenate(part) for part in zip(*found, strict=True))
        return _squares(xyxy[suppress(xyxy, score, _MAX_IOU)])

    def _proposals_at(self, rgb: UInt8, scale: float) -> tuple[Float32, Float32]:
        height, width = (int(np.ceil(side * scale)) for side in rgb.shape[:2])
        small = np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        offsets, probabilities = self._propose.run({"patches": _normalised(small[None])})
        rows, columns = np.nonzero(probabilities[0, 1] >= _PROPOSAL_SCORE)
        score = probabilities[0, 1, rows, columns]
        corner = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE_PX
        cells = np.concatenate([corner, corner + _CELL_PX], axis=1)
        xyxy = (cells + offsets[0, :, rows, columns] * _CELL_PX) / np.float32(scale)
        kept = suppress(xyxy, score, _MAX_IOU_IN_SCALE)
        return xyxy[kept], score[kept]

    def _refined(self, rgb: UInt8, candidates: Float32) -> Float32:
        """Return the square candidates (n, 4) that the refining network confirms."""
        if not len(candidates):
            return candidates
        offsets, probabilities = self._refine.run({"patches": _patches(rgb, candidates, _REFINED_SIDE_PX)})
        score = probabilities[:, 1]
        above = np.flatnonzero(score >= _REFINED_SCORE)
        xyxy = _moved(candidates[above], offsets[above])
        return _squares(xyxy[suppress(xyxy, score[above], _MAX_IOU)])


def _scales(height: int, width: int) -> Iterator[float]:
    """Yield the pyramid's scales: from the one at which the smallest face fills a cell, down to a picture of one cell."""
    scale = _CELL_PX / _SMALLEST_FACE_PX
    while min(height, width) * scale >= _CELL_PX:
        yield scale
        scale *= _SCALE_STEP


def _normalised(pictures: UInt8) -> Float32:
    """Return (n, 3, h, w) float32 of (n, h, w, 3) uint8."""
    return (np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) - np.float32(127.5)) / np.float32(128)


def _patches(rgb: UInt8, squares: Float32, side_px: int) -> Float32:
    """Return the squares' contents (n, 3, side, side), normalised; what lies outside the picture is gray."""
    patches = np.empty((len(squares), side_px, side_px, 3), np.uint8)
    for patch, (x0, y0, x1, y1) in zip(patches, squares.tolist(), strict=True):
        across, down = (x1 - x0) / side_px, (y1 - y0) / side_px
        back = np.array([[across, 0, x0 + (across - 1) / 2], [0, down, y0 + (down - 1) / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(rgb, back, (side_px, side_px), patch, flags, cv2.BORDER_CONSTANT, (127, 127, 127))
    return _normalised(patches)


def _moved(xyxy: Float32, offsets: Float32) -> Float32:
    """Return boxes (n, 4) moved by offsets (n, 4) in units of their sides."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    return np.asarray(xyxy + offsets * np.concatenate([sides, sides], axis=1))


def _squares(xyxy: Float32) -> Float32:
    """Return the squares (n, 4) around the boxes' centres with their longer sides."""
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    half = (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)
