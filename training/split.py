"""Sets faces aside for choosing between models: stratified, fixed by a hash, and without near copies of what is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from training.errors import TrainingError

if TYPE_CHECKING:
    from training.faces import Faces, Int64, UInt64

NEAR_BITS = 28
"""Two pictures whose fingerprints (256 bits) differ in at most so many bits are taken for copies of one photo (docs/training.md)."""

_BAND_STARTS = np.array([0, 3, 10, 20, 30, 40, 50, 60, 70])
_CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Places in a `Faces`, ascending."""

    train: Int64
    validation: Int64
    dropped: Int64  # near copies of validation faces: neither trained on nor measured

    def digest(self, faces: Faces) -> str:
        """Return the SHA-256 of the validation faces' sorted keys, one a line: the same split, the same digest."""
        return sha256("\n".join(sorted(faces.keys[self.validation])).encode()).hexdigest()


def split(faces: Faces, *, validation_share: float = 0.08) -> Split:
    """Split faces, the same on every machine and whatever their order.

    Near copies form a family, which stands for one photo: its first key. In each stratum (age band, gender, group) the photos with
    the smallest hashes of their keys are set aside; the other members of their families are left out altogether.

    Raises:
        TrainingError: A part would be empty.
    """
    family = families(faces.fingerprints, faces.keys)
    heads = np.unique(family)
    band = np.searchsorted(_BAND_STARTS, faces.age_low, side="right")
    strata: dict[tuple[int, int, str], list[int]] = {}
    for head in heads.tolist():
        strata.setdefault((int(band[head]), int(faces.gender[head]), str(faces.group[head])), []).append(head)
    chosen: list[int] = []
    for members in strata.values():
        members.sort(key=lambda head: sha256(str(faces.keys[head]).encode()).digest())
        chosen += members[: round(validation_share * len(members))]
    validation = np.sort(np.array(chosen, np.int64))
    related = np.isin(family, validation)
    train = np.flatnonzero(~related)
    if not len(train) or not len(validation):
        raise TrainingError(f"{len(faces)} faces are too few for a training and a validation part")
    return Split(train=train, validation=validation, dropped=np.setdiff1d(np.flatnonzero(related), validation))


def families(fingerprints: UInt64, keys: np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> Int64:
    """Return for each picture the member of its family with the first key; near copies of near copies belong to one.

    Args:
        fingerprints: (n, 4) perceptual hashes of 256 bits.
        keys: (n,) names.
    """
    count = len(fingerprints)
    rank = np.argsort(np.argsort(keys, kind="stable"), kind="stable")
    parent = list(range(count))

    def head(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    # Bits as -1 and 1: their product counts equal minus different ones, and a matrix product is the fastest way to compare all pairs.
    signs = np.unpackbits(fingerprints.view(np.uint8).reshape(count, -1), axis=1).astype(np.float32) * 2 - 1
    alike = signs.shape[1] - 2 * NEAR_BITS
    for start in range(0, count, _CHUNK):
        ones, others = np.nonzero(signs[start : start + _CHUNK] @ signs[start:].T >= alike)
        for one, other in zip((ones + start).tolist(), (others + start).tolist(), strict=True):
            first, second = sorted((head(one), head(other)), key=rank.__getitem__)
            parent[second] = first
    return np.array([head(place) for place in range(count)], np.int64)
