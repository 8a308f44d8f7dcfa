"""Small data sets on disk, in the layouts of their authors, and a detector that finds the faces drawn in them."""

from __future__ import annotations

import csv
import zipfile
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.types import Detections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.types import UInt8

USUAL = np.array([[0.31, 0.295], [0.68, 0.295], [0.497, 0.505], [0.335, 0.677], [0.657, 0.675]], np.float32)


def picture(seed: int = 0, side: int = 176, xyxy: tuple[int, int, int, int] = (36, 36, 140, 140)) -> UInt8:
    """Return a dark, mottled picture (side, side, 3) RGB with a bright, mottled rectangle for a face."""
    dice = np.random.default_rng(seed)
    x0, y0, x1, y1 = xyxy
    drawn = mottled((side, side), (0, 90), dice)
    drawn[y0:y1, x0:x1] = mottled((x1 - x0, y1 - y0), (150, 256), dice)
    return drawn


def mottled(size_wh: tuple[int, int], limits: tuple[int, int], dice: np.random.Generator) -> UInt8:
    """Return soft spots of any colour, (h, w, 3), no darker or brighter than `limits`."""
    spots = dice.integers(*limits, (20, 20, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(spots, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)


def encoded(rgb: UInt8, suffix: str = ".png") -> bytes:
    """Return a picture's file."""
    return bytes(cv2.imencode(suffix, rgb[:, :, ::-1])[1])


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    """Write a table with its columns' names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([columns, *rows])
    return path


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a zip of pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_files(root: Path, members: Mapping[str, bytes]) -> Path:
    """Write pictures into a folder."""
    for name, content in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


class BrightDetector:
    """A `Detector` of bright rectangles; the larger one has the better score."""

    name = "bright-1"

    def detect(self, picture: UInt8) -> Detections:
        _, _, stats, _ = cv2.connectedComponentsWithStats((picture.max(axis=2) > 100).astype(np.uint8))
        x, y, width, height, area = stats[1:].T.astype(np.float32)
        corner, sides = np.stack([x, y], axis=1), np.stack([width, height], axis=1)
        return Detections(
            xyxy=np.concatenate([corner, corner + sides], axis=1),
            score=(area / picture[..., 0].size).astype(np.float32),
            landmarks=corner[:, None] + sides[:, None] * USUAL,
        )
