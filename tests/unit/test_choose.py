from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.align import align
from pipeline.stages.choose import CropGate, CropQuality, Rejection, crop_quality, promised_quality
from tests.pictures import ASTRONAUT_LANDMARKS, ASTRONAUT_XYXY, ArrayPicture, astronaut_rgb

if TYPE_CHECKING:
    from pipeline.types import Float32, UInt8

GATE = CropGate(min_face_px=24, min_quality=0.15)
SIZE_WH = (512, 512)
CROP = align(ArrayPicture(astronaut_rgb()), ASTRONAUT_XYXY, ASTRONAUT_LANDMARKS)
# Of the arcade clip: a woman in profile whom YuNet gives 0.90.
PROFILE = np.array([[50, 40], [74, 40], [82, 64], [52, 90], [70, 90]], np.float32)


def judge(
    *, crop: UInt8 = CROP, xyxy: Float32 = ASTRONAUT_XYXY, landmarks: Float32 = ASTRONAUT_LANDMARKS, score: float = 0.93
) -> CropQuality:
    return crop_quality(promised_quality(xyxy, landmarks, score, SIZE_WH), crop)


def blurred(sigma: float) -> UInt8:
    return np.asarray(cv2.GaussianBlur(CROP, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def test_a_sharp_frontal_face_is_good() -> None:
    quality = judge()
    assert quality.value > 0.5
    assert GATE.rejection(quality) is None


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (judge(landmarks=PROFILE), Rejection.PROFILE),
        (judge(landmarks=np.repeat(PROFILE[:1], 5, axis=0)), Rejection.PROFILE),
        (judge(crop=blurred(12)), Rejection.BLURRED),
        (judge(crop=np.full((112, 112, 3), 77, np.uint8)), Rejection.BLURRED),
        (judge(score=0.45), Rejection.UNSURE),
        (judge(xyxy=np.array([460, 50, 560, 170], np.float32)), Rejection.EDGE),
        (judge(xyxy=np.array([100, 100, 104, 104], np.float32)), Rejection.TOO_SMALL),
    ],
    ids=str,
)
def test_what_is_bad_is_rejected_by_its_weakest_side(quality: CropQuality, reason: Rejection) -> None:
    assert GATE.rejection(quality) is reason


def test_a_small_face_is_refused_before_anything_is_cut_out() -> None:
    assert GATE.too_small(np.array([0, 0, 50, 23.9], np.float32))
    assert not GATE.too_small(np.array([0, 0, 10, 24], np.float32))


@given(st.floats(0.3, 1), st.floats(1, 400), st.floats(0.5, 12))
def test_no_crop_is_better_than_was_promised(score: float, height: float, sigma: float) -> None:
    promised = promised_quality(np.array([10, 10, 90, 10 + height], np.float32), ASTRONAUT_LANDMARKS, score, SIZE_WH)
    assert crop_quality(promised, blurred(sigma)).value <= promised.value


def test_without_landmarks_the_pose_is_neither_good_nor_bad() -> None:
    quality = judge(landmarks=np.full((5, 2), np.nan, np.float32))
    assert quality.pose == 0.5
    assert GATE.rejection(quality) is None


@given(st.floats(1, 400), st.floats(1.01, 3))
def test_a_larger_face_is_better(height: float, factor: float) -> None:
    small, large = (judge(xyxy=np.array([10, 10, 90, 10 + h], np.float32)).size for h in (height, height * factor))
    assert small < large


def test_each_blur_costs() -> None:
    values = [judge().value, *(judge(crop=blurred(sigma)).value for sigma in (1, 2, 3, 5, 8, 12))]
    assert all(sharper > softer for sharper, softer in pairwise(values))


def test_light_and_contrast_count_little() -> None:
    dim = np.asarray(CROP // 3 + 20, np.uint8)
    assert judge(crop=dim).value == pytest.approx(judge().value, rel=0.05)


@given(angle=st.floats(-180, 180), scale=st.floats(0.2, 20), shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_the_pose_is_the_same_wherever_and_however_the_head_is_tilted(angle: float, scale: float, shift: tuple[float, float]) -> None:
    turn = scale * np.exp(1j * np.deg2rad(angle))
    points = (ASTRONAUT_LANDMARKS @ [1, 1j]) * turn + complex(*shift)
    landmarks = np.stack([points.real, points.imag], axis=1).astype(np.float32)
    assert judge(landmarks=landmarks).pose == pytest.approx(judge().pose, abs=0.01)


def test_the_pose_falls_as_the_head_turns() -> None:
    # Points of a head, in front of the axis it turns about: the eyes 0.5 apart each, the nose well before them.
    depth, x, y = np.array([0.7, 0.7, 1.1, 0.75, 0.75]), np.array([-0.48, 0.48, 0, -0.4, 0.4]), np.array([0, 0, 0.55, 1, 1])
    turned = [np.stack([np.cos(a) * x + np.sin(a) * depth, y], axis=1).astype(np.float32) for a in np.deg2rad([0, 15, 30, 45, 60, 75])]
    mirrored = [np.stack([-points[[1, 0, 2, 4, 3], 0], points[[1, 0, 2, 4, 3], 1]], axis=1) for points in turned]
    for heads in (turned, mirrored):
        poses = [judge(landmarks=landmarks).pose for landmarks in heads]
        assert poses[0] > 0.9
        assert poses[3] < 0.3
        assert all(straighter > more for straighter, more in pairwise(poses))


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=14, max_size=14),
    st.floats(0, 1),
)
def test_any_numbers_give_a_quality_between_0_and_1(numbers: list[float], score: float) -> None:
    quality = judge(xyxy=np.array(numbers[:4], np.float32), landmarks=np.array(numbers[4:], np.float32).reshape(5, 2), score=score)
    assert all(0 <= factor <= 1 for factor in (quality.size, quality.inside, quality.pose, quality.sharpness, quality.confidence))
