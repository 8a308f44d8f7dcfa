"""Validation faces are fixed by a hash, stratified, and no near copy of them is trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.training.drawn import drawn_faces
from training.errors import TrainingError
from training.faces import Faces, joined
from training.split import NEAR_BITS, copies_of, families, split


def flipped(fingerprint: np.ndarray[tuple[int, ...], np.dtype[np.uint64]], bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Return a fingerprint (4,) with its first bits inverted."""
    changed = fingerprint.copy()
    for bit in range(bits):
        changed[bit // 64] ^= np.uint64(1 << bit % 64)
    return changed


def test_every_face_is_in_one_part_and_each_stratum_gives_its_share() -> None:
    faces = drawn_faces(3000)
    parts = split(faces, validation_share=0.1)
    assert sorted([*parts.train, *parts.validation, *parts.dropped]) == list(range(len(faces)))
    assert not len(parts.dropped)

    def strata(places: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Counter[tuple[int, int, str]]:
        bands = np.searchsorted([0, 3, 10, 20, 30, 40, 50, 60, 70], faces.age_low[places], side="right")
        return Counter(zip(bands.tolist(), faces.gender[places].tolist(), faces.group[places].tolist(), strict=True))

    whole, chosen = strata(np.arange(len(faces))), strata(parts.validation)
    assert all(chosen[stratum] == round(0.1 * number) for stratum, number in whole.items())


def test_the_order_of_the_faces_changes_nothing() -> None:
    faces = drawn_faces(500)
    shuffled = faces.take(np.random.default_rng(1).permutation(len(faces)))
    assert split(faces).digest(faces) == split(shuffled).digest(shuffled)
    assert split(faces).digest(faces) != split(faces, validation_share=0.1).digest(faces)


def test_a_new_face_moves_no_other_one_into_the_training_part() -> None:
    faces = drawn_faces(2000)
    fewer = faces.take(np.arange(len(faces)) != 7)
    before, after = (set(part.keys[split(part, validation_share=0.2).validation]) for part in (faces, fewer))
    assert len(before ^ after) <= 2  # its own, and one more or less in its stratum


def test_near_copies_of_validation_faces_are_left_out_and_others_stay_together() -> None:
    faces = drawn_faces(400)
    chosen = split(faces).validation[0]
    trained = split(faces).train[0]
    fingerprints = faces.fingerprints.copy()
    copies = [place for place in split(faces).train.tolist() if place > max(chosen, trained)][:2]  # the first key leads a family
    fingerprints[copies[0]] = flipped(fingerprints[chosen], NEAR_BITS)
    fingerprints[copies[1]] = flipped(fingerprints[trained], NEAR_BITS)
    parts = split(replace(faces, fingerprints=fingerprints))
    assert chosen in parts.validation
    assert parts.dropped.tolist() == [copies[0]]
    assert {trained, copies[1]} <= set(parts.train.tolist())


def test_what_the_authors_hold_out_is_the_validation_part_and_its_copies_are_dropped() -> None:
    faces = drawn_faces(50)
    fingerprints = faces.fingerprints.copy()
    fingerprints[3] = fingerprints[40]
    fingerprints[41] = fingerprints[40]
    parts = split(replace(faces, fingerprints=fingerprints), held_out=frozenset(faces.keys[40:].tolist()))
    assert parts.validation.tolist() == list(range(40, 50))
    assert parts.dropped.tolist() == [3]
    assert parts.train.tolist() == [place for place in range(40) if place != 3]


def test_copies_of_other_pictures_are_found() -> None:
    prints, others = drawn_faces(1200).fingerprints, drawn_faces(30, seed=1).fingerprints
    prints[700], prints[1100] = flipped(others[29], NEAR_BITS), flipped(others[0], NEAR_BITS + 1)
    assert np.flatnonzero(copies_of(prints, others)).tolist() == [700]


@pytest.mark.parametrize(("bits", "related"), [(0, True), (NEAR_BITS, True), (NEAR_BITS + 1, False)])
def test_a_family_ends_where_copies_differ_too_much(bits: int, related: bool) -> None:  # noqa: FBT001 - a table's column
    faces = drawn_faces(3)
    prints = faces.fingerprints.copy()
    prints[2] = flipped(prints[0], bits)
    assert families(prints, faces.keys).tolist() == [0, 1, 0 if related else 2]


def test_a_copy_of_a_copy_belongs_to_the_family() -> None:
    faces = drawn_faces(1200)  # more than are compared at once
    prints = faces.fingerprints.copy()
    prints[700] = flipped(prints[3], 20)
    prints[1100] = flipped(prints[3], 40)
    assert set(families(prints, faces.keys)[[3, 700, 1100]].tolist()) == {3}


def test_too_few_faces_are_said() -> None:
    with pytest.raises(TrainingError, match="2 faces are too few"):
        split(drawn_faces(2))


def test_joined_faces_keep_their_pictures() -> None:
    one, other = drawn_faces(5, seed=1), drawn_faces(7, seed=2)
    both: Faces = joined([one.take(np.array([4, 0])), other])
    assert len(both) == 9
    expected = [*(one.canvases[place] for place in (4, 0)), *(other.canvases[place] for place in range(7))]
    assert all(np.array_equal(both.canvases[row], picture) for row, picture in zip(both.rows.tolist(), expected, strict=True))
    assert np.array_equal(np.concatenate(list(both.crops(4))), np.stack(expected)[:, 16:128, 16:128])
