"""Small faces look as serving would cut them out of a smaller picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from pipeline.stages.align import align
from tests.pictures import ArrayPicture
from training.evaluation.small import SIZES_PX, crop_of_size
from training.faces import MARGIN_PX

if TYPE_CHECKING:
    from pipeline.types import UInt8

FACTOR = 4  # of the picture of a near face to that of the far one
NO_LANDMARKS = np.full((5, 2), np.nan, np.float32)


def scene(side: int) -> UInt8:
    """Return a picture (side, side, 3) with detail at every scale."""
    dice = np.random.default_rng(5)
    layers = [
        cv2.resize(dice.integers(0, 256, (k, k, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC) for k in (8, 32, 128)
    ]
    return np.asarray(np.clip(np.mean(layers, axis=0), 0, 255), np.uint8)


def detail(crop: UInt8) -> float:
    """Return the mean difference of neighbouring pixels."""
    return float(np.abs(np.diff(crop.astype(int), axis=0)).mean() + np.abs(np.diff(crop.astype(int), axis=1)).mean())


def difference(one: UInt8, other: UInt8) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("size_px", [size for size in SIZES_PX if size < 112])
def test_a_small_face_is_what_align_cuts_from_a_small_picture(size_px: int) -> None:
    side = size_px * 3 * FACTOR
    near = scene(side)
    far = cv2.resize(near, (side // FACTOR, side // FACTOR), interpolation=cv2.INTER_AREA)
    box = np.array([size_px, size_px, 2 * size_px, 2 * size_px], np.float32)
    served = align(ArrayPicture(np.asarray(far, np.uint8)), box, NO_LANDMARKS)
    canvas = align(ArrayPicture(near), box * FACTOR, NO_LANDMARKS, margin_px=MARGIN_PX)
    imitated, as_it_is = crop_of_size(canvas, size_px), crop_of_size(canvas, 112)
    assert difference(imitated, served) < 0.8 * difference(as_it_is, served)
    assert 0.9 < detail(imitated) / detail(served) < 1.05  # a tenth more or less of the size is a tenth of detail
    assert detail(as_it_is) / detail(served) > 1.3


def test_the_largest_size_is_the_serving_crop() -> None:
    canvas = scene(144)
    np.testing.assert_array_equal(crop_of_size(canvas, 112), canvas[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX])


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_nothing_is_moved(size_px: int) -> None:
    """A ramp stays the same ramp: half a pixel of shift would show as a level or more."""
    ramp = np.repeat(np.tile(np.linspace(20, 235, 144)[None, :, None], (144, 1, 1)), 3, axis=2).astype(np.uint8)
    crop = crop_of_size(ramp, size_px).astype(float)
    assert np.abs(crop - ramp[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]).mean() < 0.6
