from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.adapters.mtcnn_wheel import read_weights, wheel_folder
from pipeline.errors import ConfigurationError
from pipeline.stages.detect.mtcnn import Mtcnn
from tests.pictures import ASTRONAUT_LANDMARKS, ASTRONAUT_XYXY, astronaut_bgr

if TYPE_CHECKING:
    from pathlib import Path


@cache
def mtcnn() -> Mtcnn:
    return Mtcnn(read_weights(wheel_folder()), name="mtcnn", low_threshold=0.3)


def test_the_known_face_is_where_yunet_finds_it() -> None:
    found = mtcnn().detect(astronaut_bgr())
    assert (found.score > 0.6).tolist() == [True] + [False] * (len(found) - 1)
    np.testing.assert_allclose(found.xyxy[0], ASTRONAUT_XYXY, atol=12)
    np.testing.assert_allclose(found.landmarks[0], ASTRONAUT_LANDMARKS, atol=4)


def test_two_faces_of_different_sizes() -> None:
    wide = np.zeros((512, 800, 3), np.uint8)
    wide[:, :512] = astronaut_bgr()
    wide[100:356, 530:786] = astronaut_bgr()[::2, ::2]
    found = mtcnn().detect(wide)
    assert (found.score > 0.9).sum() == 2
    found = found[:2]
    heights = sorted(found.xyxy[:, 3] - found.xyxy[:, 1])
    assert heights[1] / heights[0] == pytest.approx(2, rel=0.15)


def test_swapped_colours_are_noticed() -> None:
    face, swapped = (mtcnn().detect(np.ascontiguousarray(astronaut_bgr()[:, :, ::step])) for step in (1, -1))
    assert face.score[0] > swapped.score[:1].sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (20, 20), (21, 2000)])
def test_pictures_of_any_shape_work(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert len(mtcnn().detect(noise)) == 0


def test_weights_that_are_not_the_pinned_ones_are_never_unpickled(tmp_path: Path) -> None:
    for file in wheel_folder().glob("*.lz4"):
        shutil.copy(file, tmp_path)
    assert len(read_weights(tmp_path).output) == 21
    (tmp_path / "rnet.lz4").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ConfigurationError, match=r"rnet\.lz4 .* is not the file"):
        read_weights(tmp_path)
    (tmp_path / "rnet.lz4").unlink()
    with pytest.raises(ConfigurationError, match=r"lacks rnet\.lz4"):
        read_weights(tmp_path)
