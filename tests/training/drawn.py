"""Drawn faces with labels that can be learnt: hair tells the gender, gray the age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.faces import CANVAS_SIDE_PX, FEMALE, Faces

if TYPE_CHECKING:
    from pipeline.types import UInt8

BANDS = ((0, 2), (3, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 100))


def draw(gender: int, age: int, dice: np.random.Generator, side: int = CANVAS_SIDE_PX) -> UInt8:
    """Return one face (side, side, 3) RGB: whoever is female has long hair; hair grays with the years."""
    picture = dice.integers(0, 40, (side, side, 3)).astype(np.uint8)
    hair = [int(60 + 1.8 * age)] * 3
    x, y = (int(side / 2 + dice.normal(0, 2)) for _ in range(2))
    if gender == FEMALE:
        cv2.rectangle(picture, (x - side // 3, y - side // 3), (x + side // 3, side), hair, -1)
    cv2.ellipse(picture, (x, y - side // 8), (side // 3, side // 3), 0, 180, 360, hair, -1)
    cv2.ellipse(picture, (x, y), (side // 4, side // 3), 0, 0, 360, (205, 160, 140), -1)
    for eye in (-1, 1):
        cv2.circle(picture, (x + eye * side // 9, y - side // 12), side // 28, (30, 30, 60), -1)
    cv2.ellipse(picture, (x, y + side // 6), (side // 12, side // 30), 0, 0, 360, (150, 60, 70), -1)
    return picture


def drawn_faces(count: int, seed: int = 0) -> Faces:
    """Return drawn faces whose ages are bands for two of three, exact for the others."""
    dice = np.random.default_rng(seed)
    gender = dice.integers(0, 2, count)
    age = dice.integers(0, 90, count)
    low, high = np.array([band_of(int(years)) for years in age]).T
    exact = np.arange(count) % 3 == 0
    return Faces(
        keys=np.array([f"drawn/{number:05}.png" for number in range(count)]),
        rows=np.arange(count),
        canvases=np.stack([draw(int(one), int(years), dice) for one, years in zip(gender, age, strict=True)]),
        age_low=np.where(exact, age, low),
        age_high=np.where(exact, age, high),
        gender=gender,
        group=np.array([("one", "other")[number % 2] for number in range(count)]),
        sigma=np.full(count, np.nan, np.float32),
        person=np.zeros(count, np.int64),
        fingerprints=dice.integers(0, 2**64, (count, 4), np.uint64),
        seen=np.ones((count, 3), np.float32),
    )


def band_of(years: int) -> tuple[int, int]:
    """Return the band that holds an age."""
    return next(band for band in BANDS if band[0] <= years <= band[1])
