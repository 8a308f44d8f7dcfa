"""Draws what was found: boxes, numbers and labels on a picture, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from services.report import age_text, gender_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.stages.fuse import Fused
    from pipeline.types import UInt8, Visit

_PALETTE = (
    (230, 25, 75),
    (60, 180, 75),
    (67, 99, 216),
    (245, 130, 49),
    (145, 30, 180),
    (20, 160, 160),
    (240, 50, 230),
    (128, 128, 0),
    (154, 99, 36),
    (128, 0, 0),
)
"""RGB; colours that stay apart for most people."""

_Area: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, pixels

_ASIDE = (150, 150, 150)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A box to draw."""

    xyxy: tuple[float, float, float, float]  # pixels
    text: str
    number: int | None = None  # of the track, gives the colour; None: not counted, gray


def labels_text(labels: Visit | Fused, number: int) -> str:
    """Return "#4 female 0.97, 34 (28-41)" for a visit or a fused face."""
    return f"#{number} unknown" if labels.age is None else f"#{number} {gender_text(labels)}, {age_text(labels)}"


def draw(picture: UInt8, labels: Sequence[Label]) -> UInt8:
    """Return a copy of (h, w, 3) uint8 RGB with the boxes and, on top of them and apart from each other, their texts."""
    drawn = picture.copy()
    scale = max(drawn.shape[1] / 1600, 0.35)
    for label in labels:
        x0, y0, x1, y1 = (round(value) for value in label.xyxy)
        thickness = max(1, round((1 if label.number is None else 3) * scale))
        cv2.rectangle(drawn, (x0, y0), (x1, y1), _colour(label), thickness, cv2.LINE_AA)
    taken: list[_Area] = []
    for label in sorted(labels, key=lambda label: label.xyxy[1]):
        if label.text:
            taken.append(_write(drawn, label, scale, taken))
    return drawn


def _colour(label: Label) -> tuple[int, int, int]:
    return _ASIDE if label.number is None else _PALETTE[label.number % len(_PALETTE)]


def _write(drawn: UInt8, label: Label, scale: float, taken: Sequence[_Area]) -> _Area:
    """Write a label's text above its box, or where it hides no other text, and return the area that it covers."""
    size, stroke = 0.55 * scale, max(1, round(1.3 * scale))
    (width, height), below = cv2.getTextSize(label.text, _FONT, size, stroke)
    line = height + below + 4
    left = int(np.clip(label.xyxy[0], 0, max(drawn.shape[1] - width - 4, 0)))
    above, under = round(label.xyxy[1]) - line, round(label.xyxy[3]) + 1
    tops = [top for top in (above, above - line, above - 2 * line, under) if 0 <= top <= drawn.shape[0] - line]
    areas = [(left, top, left + width + 4, top + line) for top in tops or [0]]
    area = next((area for area in areas if not any(_touch(area, other) for other in taken)), areas[0])
    cv2.rectangle(drawn, area[:2], area[2:], _colour(label), cv2.FILLED)
    cv2.putText(drawn, label.text, (left + 2, area[3] - below - 2), _FONT, size, _WHITE, stroke, cv2.LINE_AA)
    return area


def _touch(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
