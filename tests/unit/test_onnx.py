from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest

from pipeline.adapters.golden import read_golden
from pipeline.adapters.model_config import models, read_model_config
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.errors import ConfigurationError
from pipeline.resources import resource
from pipeline.stages.align import align
from tests.pictures import ASTRONAUT_LANDMARKS, ASTRONAUT_XYXY, ArrayPicture, astronaut_rgb
from tests.triton_models import ModelFolder, answer_nan, answer_otherwise, newest_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.types import UInt8

MODELS = models(resource("triton_models"))


@cache
def classifier() -> OnnxClassifier:
    return OnnxClassifier(resource("triton_models"), "face_attributes")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of a model's folder, in a repository of its own."""
    return ModelFolder.in_repository(tmp_path).path


def load(model: Path) -> OnnxClassifier:
    return OnnxClassifier(model.parent, model.name)


def noise(count: int) -> UInt8:
    return np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_that_come_along_pass_their_self_test(name: str) -> None:
    assert OnnxClassifier(resource("triton_models"), name).name == f"{name}:{newest_version(name)}/tight-1"


def test_the_golden_picture_is_what_align_cuts() -> None:
    crop = align(ArrayPicture(astronaut_rgb()), ASTRONAUT_XYXY, ASTRONAUT_LANDMARKS)
    golden = read_golden(resource("triton_models") / "face_attributes")
    assert np.abs(crop.astype(int) - golden.crop).mean() < 1


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 130])
def test_batches_of_any_size_give_a_row_for_each_crop(count: int) -> None:
    answer = classifier().classify(np.repeat(noise(1), count, axis=0))
    assert len(answer) == count
    np.testing.assert_allclose(answer.age_probs.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(answer.age_probs, np.repeat(classifier().classify(noise(1)).age_probs, count, axis=0), atol=1e-5)


def test_the_order_is_kept_across_batches() -> None:
    crops = noise(70)
    backwards = classifier().classify(crops[::-1].copy())
    np.testing.assert_allclose(classifier().classify(crops).gender_probs, backwards.gender_probs[::-1], atol=1e-5)


def test_threads_do_not_disturb_each_other() -> None:
    crops = [noise(count) for count in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(classifier().classify, crops))
    for batch, answer in zip(crops, answers, strict=True):
        np.testing.assert_array_equal(answer.age_probs, classifier().classify(batch).age_probs)


def test_crops_of_another_form_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 112, 112, 3\) uint8, got \(2, 96, 112, 3\)"):
        classifier().classify(np.zeros((2, 96, 112, 3), np.uint8))


@pytest.mark.parametrize(
    "damage",
    [
        lambda crop: crop[:, :, ::-1],
        lambda crop: cv2.warpAffine(crop, np.array([[1, 0, 8], [0, 1, 8]], np.float32), (112, 112), borderMode=cv2.BORDER_REPLICATE),
        lambda crop: cv2.resize(crop[14:98, 14:98], (112, 112)),
        lambda crop: crop.transpose(1, 0, 2),
        np.zeros_like,
    ],
    ids=["swapped channels", "shifted", "another margin", "transposed", "black"],
)
def test_a_wrong_picture_fails_the_self_test(model: Path, damage: Callable[[UInt8], UInt8]) -> None:
    picture = np.asarray(cv2.imread(str(model / "golden.png")), np.uint8)
    assert cv2.imwrite(str(model / "golden.png"), damage(picture))
    with pytest.raises(ConfigurationError, match="fails its self-test"):
        load(model)


def test_other_weights_fail_the_self_test(model: Path) -> None:
    network = onnx.load(model / "1" / "model.onnx")
    answer_otherwise(network)
    onnx.save(network, model / "1" / "model.onnx")
    with pytest.raises(ConfigurationError, match="fails its self-test"):
        load(model)


def test_a_model_that_answers_nan_is_broken(model: Path) -> None:
    """It is nothing that passes: the same crop gives the same answer again."""
    network = onnx.load(model / "1" / "model.onnx")
    answer_nan(network)
    onnx.save(network, model / "1" / "model.onnx")
    with pytest.raises(ConfigurationError, match=r"is broken .*NaN"):
        load(model)


def test_the_newest_version_is_taken(model: Path) -> None:
    shutil.copytree(model / "1", model / "2")
    shutil.move(model / "1", model / "10")
    (model / "notes").mkdir()
    assert load(model).name == "face_attributes_research:10/tight-1"


def test_a_model_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"HEADCOUNT_MODEL.*there: .*face_attributes, face_attributes_research"):
        OnnxClassifier(resource("triton_models"), "faces")
    with pytest.raises(ConfigurationError, match="there: none"):
        OnnxClassifier(tmp_path / "nothing", "../escape")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dims: [ 101 ]", "dims: [ 100 ]", "has other outputs"),
        ('"face"', '"picture"', "has other inputs"),
        ("TYPE_UINT8", "TYPE_FP32", "has other inputs"),
        ('string_value: "tight-1"', 'string_value: "wide-1"', "wants crops by 'wide-1'"),
        ('"crop_recipe"', '"recipe"', "parameter crop_recipe"),
        ("max_batch_size: 64", "max_batch_size: 0", "max_batch_size of 1 or more"),
        ("max_batch_size: 64", "", "expected one value, got 0"),
        ("max_batch_size: 64", "max_batch_size: many", "expected a whole number"),
        ("max_batch_size: 64", "max_batch_size: 64.5", "line 3"),
        ('name: "face_attributes_research"', 'name: "other"', "names the model 'other'"),
        ("dynamic_batching {", "sequence_batching {", "unknown fields sequence_batching"),
        ("dynamic_batching {", "dynamic_batching {{", "expected the name of a field"),
        ("]\noutput", "\noutput", "expected"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(model: Path, old: str, new: str, message: str) -> None:
    text = (model / "config.pbtxt").read_text()
    assert old in text
    (model / "config.pbtxt").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load(model)


@pytest.mark.parametrize("missing", ["golden.png", "golden.json", "1/model.onnx", "1"])
def test_a_folder_that_is_not_whole_is_refused(model: Path, missing: str) -> None:
    path = model / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ConfigurationError, match=model.name):
        load(model)


@pytest.mark.parametrize("damaged", ["golden.png", "golden.json", "1/model.onnx", "config.pbtxt"])
def test_a_damaged_file_is_refused(model: Path, damaged: str) -> None:
    content = (model / damaged).read_bytes()
    (model / damaged).write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigurationError, match=model.name):
        load(model)


@pytest.mark.parametrize("name", MODELS)
def test_both_configurations_say_the_same_but_for_the_processor(name: str) -> None:
    folder = resource("triton_models") / name
    gpu, cpu = (folder / "config.pbtxt").read_text(), (folder / "configs" / "cpu.pbtxt").read_text()
    assert gpu.replace("KIND_GPU", "KIND_CPU").replace("max_queue_delay_microseconds: 1000 ", "") == cpu
    assert not {"default_queue_policy", "priority_levels"} & set(re.findall(r"\w+", gpu))
    assert "dynamic_batching" in gpu
    assert read_model_config(folder.parent, name).max_batch_size == 64
