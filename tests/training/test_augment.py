"""Augmented faces stay pictures, are what their dice say, and look as cameras make them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.drawn import draw, drawn_faces
from training.augment.damage import Damage, harm
from training.augment.geometry import Placement, place
from training.batches import EpochBatches
from training.faces import MARGIN_PX
from training.recipe import load_recipe

STILL = Placement(turn_sigma_deg=0, shift_sigma_px=0, zoom_out=0, zoom_in=0, flip=False)
NOTHING = Damage(light=0, motion=0, distance=0, compression=0, noise=0, cover=0)


def a_face() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return draw(0, 40, np.random.default_rng(5))


def test_a_face_that_nothing_moves_is_the_serving_crop() -> None:
    canvas = a_face()
    crop = place(canvas, STILL, 112, np.random.default_rng(0))
    assert np.array_equal(crop, canvas[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX])


def test_a_smaller_crop_shows_the_same() -> None:
    canvas = a_face()
    small = place(canvas, STILL, 56, np.random.default_rng(0)).astype(float)
    crop = canvas[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX].astype(float)
    assert np.abs(small - crop.reshape(56, 2, 56, 2, 3).mean(axis=(1, 3))).mean() < 8


def test_flipping_is_fair_and_mirrors() -> None:
    canvas = a_face()
    dice = np.random.default_rng(0)
    flips = [place(canvas, STILL.model_copy(update={"flip": True}), 112, dice) for _ in range(200)]
    straight = place(canvas, STILL, 112, dice)
    mirrored = sum(np.array_equal(flip, straight[:, ::-1]) for flip in flips)
    assert mirrored + sum(np.array_equal(flip, straight) for flip in flips) == 200
    assert 70 < mirrored < 130


def test_no_damage_leaves_a_face_alone() -> None:
    face = a_face()
    assert np.array_equal(harm(face, NOTHING, np.random.default_rng(0)), face)


@pytest.mark.parametrize("kind", ["light", "motion", "distance", "compression", "noise", "cover"])
@pytest.mark.parametrize("side", [32, 64, 112])
def test_each_damage_changes_pixels_and_keeps_the_picture(kind: str, side: int) -> None:
    face = place(a_face(), STILL, side, np.random.default_rng(0))
    dice = np.random.default_rng(3)
    for _ in range(20):
        harmed = harm(face, NOTHING.model_copy(update={kind: 1.0}), dice)
        assert harmed.shape == face.shape
        assert harmed.dtype == np.uint8
        assert not np.array_equal(harmed, face)
        assert abs(float(harmed.mean()) - float(face.mean())) < 130


def test_distance_takes_detail() -> None:
    face = a_face()
    far = harm(face, NOTHING.model_copy(update={"distance": 1.0, "smallest_px": 10}), np.random.default_rng(2))
    assert np.abs(np.diff(far.astype(float), axis=1)).mean() < 0.6 * np.abs(np.diff(face.astype(float), axis=1)).mean()


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    faces, recipe = drawn_faces(100), load_recipe("smoke")
    one, again, next_epoch = (EpochBatches(faces, recipe, epoch) for epoch in (0, 0, 1))
    other_seed = EpochBatches(faces, recipe.model_copy(update={"seed": 2}), 0)
    assert len(one) == 3
    assert (one[1].faces == again[1].faces).all()
    assert (one[1].targets.age_low == again[1].targets.age_low).all()
    assert not (one[1].faces == next_epoch[1].faces).all()
    assert not (one[1].faces == other_seed[1].faces).all()
    assert next_epoch[0].faces.shape == (32, 32, 32, 3)


def test_an_epoch_shows_no_face_twice() -> None:
    faces, recipe = drawn_faces(96), load_recipe("smoke")
    batches = EpochBatches(faces, recipe, 0)
    ages = sorted(int(age) for number in range(len(batches)) for age in batches[number].targets.age_low)
    assert ages == sorted(faces.age_low.tolist())
