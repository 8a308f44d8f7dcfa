from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.align import align
from tests.pictures import ASTRONAUT_LANDMARKS, ASTRONAUT_XYXY, ArrayPicture, astronaut_rgb

if TYPE_CHECKING:
    from pipeline.types import Float32, UInt8

PLACES = np.array([[31.68, 29.76], [79.30, 29.63], [55.62, 56.64], [34.88, 78.66], [76.10, 78.40]], np.float32)
UNKNOWN = np.full((5, 2), np.nan, np.float32)


def moved(points: Float32, matrix: Float32) -> Float32:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def difference(a: UInt8, b: UInt8) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def whole_crop() -> UInt8:
    return align(ArrayPicture(astronaut_rgb()), ASTRONAUT_XYXY, ASTRONAUT_LANDMARKS)


def test_landmarks_that_lie_right_give_the_picture_itself() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    crop = align(ArrayPicture(picture), np.array([10, -20, 100, 112], np.float32), PLACES)
    assert difference(crop, picture) < 3  # noise shows any shift of a tenth of a pixel


def test_only_the_window_that_is_needed_is_read() -> None:
    picture = ArrayPicture(astronaut_rgb())
    align(picture, ASTRONAUT_XYXY, ASTRONAUT_LANDMARKS)
    ((x0, y0, x1, y1),) = picture.windows
    assert (x1 - x0) * (y1 - y0) < 130 * 130
    assert x0 < ASTRONAUT_LANDMARKS[:, 0].min()
    assert y1 > ASTRONAUT_LANDMARKS[:, 1].max()


@pytest.mark.parametrize("degrees", [-40, 15, 90, 180])
def test_a_turned_picture_gives_the_same_crop(degrees: float) -> None:
    turn = np.asarray(cv2.getRotationMatrix2D((225, 120), degrees, 1.0), np.float32)
    turned = np.asarray(cv2.warpAffine(astronaut_rgb(), turn, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    crop = align(ArrayPicture(turned), ASTRONAUT_XYXY, moved(ASTRONAUT_LANDMARKS, turn))
    assert difference(crop[16:96, 16:96], whole_crop()[16:96, 16:96]) < 6


@pytest.mark.parametrize("scale", [0.7, 3.0, 6.5])
def test_a_scaled_picture_gives_nearly_the_same_crop(scale: float) -> None:
    scaled = np.asarray(cv2.resize(astronaut_rgb(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    grow = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]], np.float32)
    crop = align(ArrayPicture(scaled), ASTRONAUT_XYXY * np.float32(scale), moved(ASTRONAUT_LANDMARKS, grow))
    assert difference(crop, whole_crop()) < 5


def test_a_large_face_is_averaged_and_not_sampled() -> None:
    grain = np.random.default_rng(0).integers(0, 2, (1200, 1200, 1)).astype(np.uint8) * np.full(3, 255, np.uint8)
    crop = align(ArrayPicture(grain), np.array([100, 50, 1000, 1100], np.float32), PLACES * 9 + 60)
    assert crop.std() < 30  # black and white grains, 9 x 9 of them a pixel: sampling one gives more than 90


def test_one_wrong_landmark_does_not_count() -> None:
    wrong = ASTRONAUT_LANDMARKS.copy()
    wrong[3] += (25, -20)
    assert difference(align(ArrayPicture(astronaut_rgb()), ASTRONAUT_XYXY, wrong), whole_crop()) < 12


@pytest.mark.parametrize(
    "landmarks",
    [
        UNKNOWN,
        np.zeros((5, 2), np.float32),
        np.repeat(ASTRONAUT_LANDMARKS[:1], 5, axis=0),
        ASTRONAUT_LANDMARKS * 5,
        ASTRONAUT_LANDMARKS / 9,
    ],
)
def test_without_usable_landmarks_the_square_of_the_box_is_taken(landmarks: Float32) -> None:
    picture = ArrayPicture(astronaut_rgb())
    crop = align(picture, ASTRONAUT_XYXY, landmarks)
    np.testing.assert_array_equal(crop, align(picture, ASTRONAUT_XYXY, UNKNOWN))
    side = 0.85 * (ASTRONAUT_XYXY[3] - ASTRONAUT_XYXY[1])
    x0, y0, x1, y1 = picture.windows[0]
    assert [x1 - x0, y1 - y0] == pytest.approx([side, side], abs=5)
    assert difference(crop[20:90, 20:90], whole_crop()[20:90, 20:90]) < 40


def test_what_lies_outside_repeats_the_border() -> None:
    picture = np.full((60, 60, 3), 200, np.uint8)
    assert (align(ArrayPicture(picture), np.array([-30, -30, 40, 50], np.float32), UNKNOWN) == 200).all()


finite = st.floats(-3000, 3000, width=32)


@given(
    size_wh=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    corner=st.tuples(finite, finite),
    sides=st.tuples(st.floats(0.015625, 2000, width=32), st.floats(0.015625, 2000, width=32)),
    landmarks=st.one_of(st.just(UNKNOWN), st.lists(st.tuples(finite, finite), min_size=5, max_size=5)),
)
def test_any_box_and_any_landmarks_give_a_crop(
    size_wh: tuple[int, int], corner: tuple[float, float], sides: tuple[float, float], landmarks: Float32 | list[tuple[float, float]]
) -> None:
    picture = ArrayPicture(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    xyxy = np.array([*corner, corner[0] + sides[0], corner[1] + sides[1]], np.float32)
    crop = align(picture, xyxy, np.asarray(landmarks, np.float32))
    assert crop.shape == (112, 112, 3)
    assert crop.dtype == np.uint8


@pytest.mark.parametrize("size", [1.0, 0.35, 1.9])
def test_a_margin_shows_what_lies_around_the_same_crop(size: float) -> None:
    scaled = np.asarray(cv2.resize(astronaut_rgb(), None, fx=size, fy=size, interpolation=cv2.INTER_AREA), np.uint8)
    face = ArrayPicture(scaled), ASTRONAUT_XYXY * np.float32(size), ASTRONAUT_LANDMARKS * np.float32(size)
    canvas = align(*face, margin_px=16)
    assert canvas.shape == (144, 144, 3)
    apart = np.abs(canvas[16:-16, 16:-16].astype(int) - align(*face))
    assert apart.max() <= 4  # OpenCV rounds places to a 32nd of a pixel
    assert (apart == 0).mean() > 0.99
    assert len(np.unique(canvas[:16].reshape(-1, 3), axis=0)) > 100


def test_a_margin_around_a_large_face_is_averaged_like_its_crop() -> None:
    large = np.asarray(cv2.resize(astronaut_rgb(), None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC), np.uint8)
    face = ArrayPicture(large), ASTRONAUT_XYXY * np.float32(5), ASTRONAUT_LANDMARKS * np.float32(5)
    assert difference(align(*face, margin_px=16)[16:-16, 16:-16], align(*face)) < 1
