from __future__ import annotations

import numpy as np
import pytest

from pipeline.stages.detect.haar import Haar
from tests.pictures import ASTRONAUT_XYXY, astronaut_bgr


def test_the_known_face_comes_first_and_without_landmarks() -> None:
    found = Haar(low_threshold=0.3).detect(astronaut_bgr())
    assert found.score[0] > 0.9
    np.testing.assert_allclose(found.xyxy[0], ASTRONAUT_XYXY, atol=20)
    assert np.isnan(found.landmarks).all()


def test_the_threshold_holds() -> None:
    weak = Haar(low_threshold=0.05).detect(astronaut_bgr()[::3, ::3])
    assert 0.05 < weak.score[0] < 1
    assert len(Haar(low_threshold=float(weak.score[0]) + 1e-3).detect(astronaut_bgr()[::3, ::3])) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1)])
def test_pictures_of_any_shape_work(shape: tuple[int, int]) -> None:
    assert len(Haar(low_threshold=0.3).detect(np.full((*shape, 3), 90, np.uint8))) == 0
