from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import cv2
import numpy as np
import pytest

from pipeline.stages.detect.yunet import Yunet
from tests.pictures import ASTRONAUT_LANDMARKS, ASTRONAUT_XYXY, astronaut_bgr
from tests.runtimes import RUNTIMES, opener
from tests.shared import shared_path


class OpenYunet(Protocol):
    def __call__(self, file: str = ...) -> Yunet: ...


@pytest.fixture(params=RUNTIMES)
def yunet(request: pytest.FixtureRequest) -> OpenYunet:
    open_network = opener(request.param)

    def opened(file: str = "yunet_n_dynamic.onnx") -> Yunet:
        return Yunet(shared_path(f"models/detect/{file}").read_bytes(), name="yunet", low_threshold=0.3, open_network=open_network)

    return opened


@pytest.mark.parametrize("file", ["yunet_n_640_640.onnx", "yunet_s_640_640.onnx"])
def test_it_finds_what_opencv_finds(yunet: OpenYunet, file: str) -> None:
    picture = astronaut_bgr()[:361, :487]
    reference = cv2.FaceDetectorYN.create(str(shared_path(f"models/detect/{file}")), "", (487, 361), 0.3, 0.3)
    _, rows = reference.detect(picture)
    rows = rows[np.argsort(-rows[:, 14])]
    found = yunet(file).detect(picture)
    np.testing.assert_allclose(found.xyxy[:, :2], rows[:, :2], atol=0.05)
    np.testing.assert_allclose(found.xyxy[:, 2:] - found.xyxy[:, :2], rows[:, 2:4], atol=0.05)
    np.testing.assert_allclose(found.landmarks.reshape(-1, 10), rows[:, 4:14], atol=0.05)
    np.testing.assert_allclose(found.score, rows[:, 14], atol=1e-3)


def test_the_dynamic_file_is_the_same_network_as_the_fixed_one(yunet: OpenYunet) -> None:
    dynamic, fixed = yunet().detect(astronaut_bgr()), yunet("yunet_n_640_640.onnx").detect(astronaut_bgr())
    np.testing.assert_allclose(dynamic.xyxy, fixed.xyxy, atol=0.01)


def test_the_known_face(yunet: OpenYunet) -> None:
    found = yunet().detect(astronaut_bgr())
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], ASTRONAUT_XYXY, atol=1)
    np.testing.assert_allclose(found.landmarks[0], ASTRONAUT_LANDMARKS, atol=1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (33, 31), (5, 2000)])
def test_pictures_of_any_shape_work(yunet: OpenYunet, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert len(yunet().detect(noise)) == 0


def test_threads_do_not_disturb_each_other(yunet: OpenYunet) -> None:
    detector = yunet()
    pictures = [astronaut_bgr()[: 300 + 20 * i] for i in range(8)]
    alone = [detector.detect(picture).xyxy.tolist() for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert [found.xyxy.tolist() for found in pool.map(detector.detect, pictures)] == alone


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="ONNX"):
        Yunet(b"\x08\x99garbage", name="yunet", low_threshold=0.3)
