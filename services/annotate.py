"""Draws what was found: boxes, numbers and labels on a picture, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.types import UNKNOWN

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

_ASIDE = (150, 150, 150)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A box to draw."""

    xyxy: tuple[float, float, float, float]  # pixels
    text: str
    number: int | None = None  # of the track, gives the colour; None: not counted, gray


def labels_text(labels: Visit | Fused, number: int | None = None) -> str:
    """Return "#4 female 0.97, 34 (28-41)" for a visit or a fused face."""
    head = "" if number is None else f"#{number} "
    if labels.age is None or labels.p_female is None:
        return head + UNKNOWN
    gender = f"{labels.gender} {max(labels.p_female, 1 - labels.p_female):.2f}" if labels.gender != UNKNOWN else "gender unknown"
    return f"{head}{gender}, {labels.age:.0f} ({labels.age_low:.0f}-{labels.age_high:.0f})"


def draw(picture: UInt8, labels: Sequence[Label]) -> UInt8:
    """Return a copy of (h, w, 3) uint8 RGB with the boxes and their texts; counted faces last, so that they lie on top."""
    drawn = picture.copy()
    scale = max(drawn.shape[1] / 1600, 0.35)
    for label in sorted(labels, key=lambda label: label.number is not None):
        _draw_one(drawn, label, scale)
    return drawn


def _draw_one(drawn: UInt8, label: Label, scale: float) -> None:
    colour = _ASIDE if label.number is None else _PALETTE[label.number % len(_PALETTE)]
    x0, y0, x1, y1 = (round(value) for value in label.xyxy)
    thickness = max(1, round((1 if label.number is None else 2) * scale * 1.5))
    cv2.rectangle(drawn, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA)
    if not label.text:
        return
    size = 0.55 * scale
    stroke = max(1, round(1.3 * scale))
    (width, height), below = cv2.getTextSize(label.text, _FONT, size, stroke)
    x = int(np.clip(x0, 0, max(drawn.shape[1] - width - 4, 0)))
    y = y0 - below - 2 if y0 > height + below + 4 else y1 + height + 4
    cv2.rectangle(drawn, (x, y - height - 3), (x + width + 4, y + below), colour, cv2.FILLED)
    cv2.putText(drawn, label.text, (x + 2, y - 1), _FONT, size, _WHITE, stroke, cv2.LINE_AA)
