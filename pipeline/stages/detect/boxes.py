"""What every detector does with its boxes: overlap, suppression, order; imports types only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.types import Detections, Float32

if TYPE_CHECKING:
    from numpy.typing import NDArray


def suppress(xyxy: Float32, score: Float32, max_iou: float) -> NDArray[np.intp]:
    """Return the indices (k,) that survive greedy suppression by intersection over union, best score first."""
    if not len(xyxy):
        return np.zeros(0, np.intp)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(xywh, score, 0.0, max_iou)  # type: ignore[arg-type]  # its stub asks for a list of rectangles
    return np.asarray(kept, np.intp).reshape(-1)


def suppress_contained(xyxy: Float32, score: Float32, max_share: float) -> NDArray[np.intp]:
    """Return the indices (k,) that survive greedy suppression by intersection over the smaller area, best score first."""
    area = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    kept: list[int] = []
    order = np.argsort(-score, kind="stable")
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(xyxy[best, 2:], xyxy[rest, 2:]) - np.maximum(xyxy[best, :2], xyxy[rest, :2])
        share = np.prod(np.maximum(sides, 0), axis=1) / np.minimum(area[best], area[rest])
        order = rest[share <= max_share]
    return np.asarray(kept, np.intp)


def plausible(xyxy: Float32, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (n,) True for boxes that are finite, have an area, and whose centre lies in the picture of `size_wh` pixels."""
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    inside = ((centre >= 0) & (centre < np.asarray(size_wh))).all(axis=1)
    return np.asarray(np.isfinite(xyxy).all(axis=1) & (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1) & inside)


def detections(xyxy: Float32, score: Float32, landmarks: Float32, size_wh: tuple[int, int]) -> Detections:
    """Return what is plausible as detections, best score first.

    Args:
        xyxy: (n, 4), pixels; may reach over the picture's edge.
        score: (n,), clipped to 0..1.
        landmarks: (n, 5, 2), pixels.
        size_wh: The picture's width and height, pixels.
    """
    order = np.argsort(-score, kind="stable")
    order = order[plausible(xyxy[order], size_wh) & np.isfinite(score[order])]
    return Detections(
        xyxy=xyxy[order].astype(np.float32),
        score=np.clip(score[order], 0, 1).astype(np.float32),
        landmarks=landmarks[order].astype(np.float32),
    )
