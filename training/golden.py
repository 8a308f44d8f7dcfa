"""The golden picture: a known crop, and what a model says of it (`pipeline/adapters/golden.py` compares at every load)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.adapters.golden import read_golden
from pipeline.resources import resource

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import UInt8

PICTURE, ANSWER = "golden.png", "golden.json"
_AGE_TOLERANCE, _P_FEMALE_TOLERANCE = 0.15, 0.005  # what runtimes and processors may differ by; far less than a wrong crop does


def golden_folder() -> Path:
    """Return the default model's folder, whose picture every model is tested with."""
    return resource("triton_models") / "face_attributes"


def parity_crops() -> UInt8:
    """Return (8, 112, 112, 3) RGB: the golden face as it is, mirrored, dark, bright, blurred, small, without colour; and noise."""
    face = read_golden(golden_folder()).crop
    small = cv2.resize(cv2.resize(face, (24, 24), interpolation=cv2.INTER_AREA), face.shape[:2], interpolation=cv2.INTER_LINEAR)
    grey = np.repeat(face.mean(axis=2, keepdims=True), 3, axis=2)
    noise = np.random.default_rng(0).integers(0, 256, face.shape)
    variants = [face, face[:, ::-1], face * 0.3, 128 + face * 0.5, cv2.GaussianBlur(face, (0, 0), 3), small, grey, noise]
    return np.stack(variants).astype(np.uint8)


def write_answer(folder: Path, *, age: float, p_female: float) -> None:
    """Write what a model says of the golden picture, with the tolerances that its loaders allow."""
    numbers = {
        "age": round(age, 3),
        "age_tolerance": _AGE_TOLERANCE,
        "p_female": round(p_female, 4),
        "p_female_tolerance": _P_FEMALE_TOLERANCE,
    }
    (folder / ANSWER).write_text(json.dumps(numbers) + "\n", encoding="utf-8")
