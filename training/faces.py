"""Labelled faces: what every data set becomes, and what training and evaluation read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.stages.align import CROP_SIDE_PX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from pipeline.types import Float32, UInt8

    Int64 = NDArray[np.int64]
    UInt64 = NDArray[np.uint64]
    Text = NDArray[np.str_]

MAX_AGE = 100
ANY_AGE = (0, MAX_AGE)
FEMALE, MALE, UNKNOWN_GENDER = 0, 1, -1

MARGIN_PX = 16
"""What a canvas holds beyond the serving crop, on each side, so that augmentation can move, turn and shrink it."""
CANVAS_SIDE_PX = CROP_SIDE_PX + 2 * MARGIN_PX

_LABELS = ("keys", "age_low", "age_high", "gender", "group", "sigma", "person", "fingerprints", "seen")


class Canvases(Protocol):
    """Aligned pictures by number: an array in memory, a mapped file, or several of them."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, row: int, /) -> UInt8:
        """Return one, (CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3) RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a data set says of one face."""

    age: tuple[int, int] = ANY_AGE  # closed interval of years, 0..100; both the same: exact; `ANY_AGE`: not known
    gender: int = UNKNOWN_GENDER  # FEMALE, MALE
    group: str = ""  # the data set's race label; results are broken down by it, nothing is trained on it
    sigma: float | None = None  # years: how far those who guessed this apparent age disagree
    person: int = 0  # of a closed set that an operator chose (datasets/people.py), from 1; 0: none of them


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """One picture of a data set, not read yet."""

    key: str  # unique within its data set, the same on every machine
    label: Label
    read: Callable[[], bytes]  # the encoded picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """n aligned faces with their labels; arrays share their first axis.

    There may be more canvases than faces (a mapped file that several parts share): `rows` says which are meant.
    """

    keys: Text  # (n,) data set and file: "fairface/17.webp"
    rows: Int64  # (n,) places in `canvases`
    canvases: Canvases  # m of them, each (CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3) uint8 RGB
    age_low: Int64  # (n,) years
    age_high: Int64  # (n,) years, inclusive
    gender: Int64  # (n,) FEMALE, MALE or UNKNOWN_GENDER
    group: Text  # (n,)
    sigma: Float32  # (n,) years; NaN: not known
    person: Int64  # (n,) from 1; 0: nobody of a closed set
    fingerprints: UInt64  # (n, 4) perceptual hash of the picture, 256 bits (split.py)
    seen: Float32  # (n, 3) factors inside, pose, confidence of `choose.CropQuality` in the picture; NaN: the detector did not find it

    def __len__(self) -> int:
        """Return n."""
        return len(self.keys)

    def take(self, chosen: NDArray[Any]) -> Faces:
        """Return some of them: `chosen` are places, or booleans (n,)."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in ("rows", *_LABELS)})

    def digest(self) -> str:
        """Return the SHA-256 of the sorted keys, one a line: the same faces, the same digest."""
        return sha256("\n".join(sorted(self.keys)).encode()).hexdigest()

    def crops(self, batch: int = 256) -> Iterator[UInt8]:
        """Yield the serving crops, (up to `batch`, 112, 112, 3) RGB, in order."""
        inner = slice(MARGIN_PX, MARGIN_PX + CROP_SIDE_PX)
        for start in range(0, len(self), batch):
            yield np.stack([self.canvases[row][inner, inner] for row in self.rows[start : start + batch].tolist()])


class _Chain:
    """The canvases of several data sets, one after the other."""

    def __init__(self, parts: Sequence[Canvases]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> UInt8:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part][row - int(self._starts[part])]


def joined(parts: Sequence[Faces]) -> Faces:
    """Return the faces of several data sets as one; no canvas is copied."""
    starts = np.cumsum([0, *(len(part.canvases) for part in parts)]).tolist()
    rows = np.concatenate([part.rows + start for part, start in zip(parts, starts[:-1], strict=True)])
    labels = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _LABELS}
    return Faces(rows=rows, canvases=_Chain([part.canvases for part in parts]), **labels)
