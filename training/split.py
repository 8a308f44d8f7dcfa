"""Sets faces aside for choosing between models: stratified, fixed by a hash, and without near copies of what is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from training.errors import TrainingError
from training.evaluation.bands import NINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Float32
    from training.faces import Faces, Int64, UInt64

NEAR_BITS = 28
"""Two pictures whose fingerprints (256 bits) differ in at most so many bits are taken for copies of one photo (docs/training.md)."""

_CHUNK = 512
_ALIKE = 256 - 2 * NEAR_BITS  # equal minus different bits of near copies, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Places in a `Faces`, ascending."""

    train: Int64
    validation: Int64
    dropped: Int64  # near copies of validation faces: neither trained on nor measured

    def digest(self, faces: Faces) -> str:
        """Return the SHA-256 of the validation faces' sorted keys, one a line: the same split, the same digest."""
        return faces.take(self.validation).digest()


def split(faces: Faces, *, validation_share: float = 0.08, held_out: frozenset[str] = frozenset()) -> Split:
    """Split faces, the same on every machine and whatever their order.

    Near copies form a family, which stands for one photo: its first key. In each stratum (age band, gender, group) the photos with
    the smallest hashes of their keys are set aside; the other members of their families are left out altogether.

    Args:
        faces: Of one data set.
        validation_share: Of the photos of each stratum; rounded, so that a face more or less may move its border by one.
        held_out: Keys that are set aside instead, where a data set's authors say which (`Dataset.held_out`).

    Raises:
        TrainingError: A part would be empty.
    """
    family = families(faces.fingerprints, faces.keys)
    set_aside = np.flatnonzero(np.isin(faces.keys, sorted(held_out)))
    validation = set_aside if held_out else _by_hash(faces, np.unique(family), validation_share)
    related = np.isin(family, family[validation])
    train = np.flatnonzero(~related)
    if not len(train) or not len(validation):
        raise TrainingError(f"{len(faces)} faces are too few for a training and a validation part")
    return Split(train=train, validation=validation, dropped=np.setdiff1d(np.flatnonzero(related), validation))


def _by_hash(faces: Faces, heads: Int64, share: float) -> Int64:
    """Return the places of the photos that are set aside, ascending."""
    band = np.searchsorted(NINE.starts, faces.age_low, side="right")
    strata: dict[tuple[int, int, str], list[int]] = {}
    for head in heads.tolist():
        strata.setdefault((int(band[head]), int(faces.gender[head]), str(faces.group[head])), []).append(head)
    chosen: list[int] = []
    for members in strata.values():
        members.sort(key=lambda head: sha256(str(faces.keys[head]).encode()).digest())
        chosen += members[: round(share * len(members))]
    return np.sort(np.array(chosen, np.int64))


def copies_of(fingerprints: UInt64, others: UInt64) -> NDArray[np.bool_]:
    """Return which pictures (n,) are near copies of one of some others: fingerprints (n, 4) and (m, 4)."""
    signs, other_signs = _signs(fingerprints), _signs(others)
    found = [(signs[start : start + _CHUNK] @ other_signs.T >= _ALIKE).any(axis=1) for start in range(0, len(signs), _CHUNK)]
    return np.concatenate(found)


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

    signs = _signs(fingerprints)
    for start in range(0, count, _CHUNK):
        ones, others = np.nonzero(signs[start : start + _CHUNK] @ signs[start:].T >= _ALIKE)
        for one, other in zip((ones + start).tolist(), (others + start).tolist(), strict=True):
            first, second = sorted((head(one), head(other)), key=rank.__getitem__)
            parent[second] = first
    return np.array([head(place) for place in range(count)], np.int64)


def _signs(fingerprints: UInt64) -> Float32:
    """Return bits as -1 and 1, (n, 256).

    The product of two rows counts equal minus different bits; a matrix product is the fastest way to compare all pairs.
    """
    return np.unpackbits(fingerprints.view(np.uint8).reshape(len(fingerprints), -1), axis=1).astype(np.float32) * 2 - 1
