"""The self-test of a model: one known crop must give the known answer, or crops, channels or weights are not what they should be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.types import Attributes, UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A crop and what the model says of it."""

    crop: UInt8  # (112, 112, 3) RGB
    age: float  # years
    age_tolerance: float
    p_female: float
    p_female_tolerance: float


def read_golden(folder: Path) -> Golden:
    """Read `golden.png` and `golden.json` of a model's folder.

    Raises:
        ConfigurationError: One is missing or damaged.
    """
    try:
        numbers = {name: float(value) for name, value in json.loads((folder / "golden.json").read_text("utf-8")).items()}
        encoded = np.frombuffer((folder / "golden.png").read_bytes(), np.uint8)
        crop = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]
        return Golden(crop=np.ascontiguousarray(crop), **numbers)
    except (OSError, ValueError, TypeError, AttributeError, IndexError, cv2.error):
        raise ConfigurationError(f"the model {folder.name} has no usable golden.png and golden.json; install it again") from None


def check_golden(classify: Callable[[UInt8], Attributes], golden: Golden, model: str) -> None:
    """Compare the model's answer with the known one.

    Raises:
        ConfigurationError: It differs by more than the tolerance.
    """
    answer = classify(golden.crop[None])
    age, p_female = float(answer.age_probs[0] @ np.arange(101)), float(answer.gender_probs[0, 0])
    if abs(age - golden.age) > golden.age_tolerance or abs(p_female - golden.p_female) > golden.p_female_tolerance:
        raise ConfigurationError(
            f"the model {model} fails its self-test: its golden picture should give age {golden.age:.2f} and P(female) "
            f"{golden.p_female:.3f} but gives {age:.2f} and {p_female:.3f}; install the model again"
        )
