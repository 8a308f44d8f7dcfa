from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.detect.boxes import detections, suppress, suppress_contained

if TYPE_CHECKING:
    from pipeline.types import Float32

coordinate = st.floats(-50, 150, width=32)
boxes = st.lists(st.tuples(coordinate, coordinate, st.floats(1, 80, width=32), st.floats(1, 80, width=32)), max_size=25)


def as_xyxy(xywh: list[tuple[float, float, float, float]]) -> Float32:
    array = np.array(xywh, np.float32).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)


def overlap(a: Float32, b: Float32) -> tuple[float, float]:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    shared, area_a, area_b = sides.prod(), (a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()
    return float(shared / (area_a + area_b - shared)), float(shared / min(area_a, area_b))


@given(boxes)
def test_what_is_kept_does_not_overlap_and_what_goes_overlaps_something_better(xywh: list[tuple[float, float, float, float]]) -> None:
    xyxy = as_xyxy(xywh)
    score = np.linspace(0.9, 0.1, len(xyxy), dtype=np.float32)
    for kind, kept in enumerate((suppress(xyxy, score, 0.3), suppress_contained(xyxy, score, 0.3))):
        for i, a in enumerate(kept):
            assert all(overlap(xyxy[a], xyxy[b])[kind] <= 0.3 + 1e-4 for b in kept[:i])
        for lost in set(range(len(xyxy))) - set(kept.tolist()):
            assert any(overlap(xyxy[lost], xyxy[better])[kind] > 0.3 - 1e-4 for better in kept if better < lost)


def test_a_box_inside_another_one_goes_only_by_the_smaller_area() -> None:
    xyxy, score = np.array([[0, 0, 100, 100], [40, 40, 60, 60]], np.float32), np.array([0.9, 0.8], np.float32)
    assert suppress(xyxy, score, 0.3).tolist() == [0, 1]
    assert suppress_contained(xyxy, score, 0.3).tolist() == [0]


def test_boxes_that_are_none_are_dropped_and_the_best_comes_first() -> None:
    xyxy = np.array(
        [[10, 10, 20, 20], [np.nan, 0, 5, 5], [0, 0, np.inf, 5], [30, 30, 30, 40], [40, 40, 30, 50], [200, 10, 220, 20], [-5, -5, 20, 20]],
        np.float32,
    )
    score = np.array([0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 1.7], np.float32)
    found = detections(xyxy, score, np.zeros((7, 5, 2), np.float32), (100, 100))
    assert found.xyxy.tolist() == [[-5, -5, 20, 20], [10, 10, 20, 20]]
    assert found.score.tolist() == [1.0, 0.5]
