"""What every `Classifier` must do: the suite that each implementation's test class inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.adapters.golden import check_golden, read_golden
from pipeline.adapters.onnx import OnnxClassifier
from pipeline.resources import resource
from pipeline.types import Attributes
from tests.triton_models import newest_version

if TYPE_CHECKING:
    from pipeline.ports import Classifier
    from pipeline.types import UInt8

MODEL = "face_attributes"
TOLERANCE = 1e-5  # within which implementations, and batches of other sizes, agree


def noise(count: int, seed: int = 0) -> UInt8:
    """Return crops of which no two are alike."""
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3)).astype(np.uint8)


@cache
def reference() -> OnnxClassifier:
    """Return the implementation to which all others are compared."""
    return OnnxClassifier(resource("triton_models"), MODEL)


def assert_alike(one: Attributes, other: Attributes) -> None:
    np.testing.assert_allclose(one.age_probs, other.age_probs, atol=TOLERANCE)
    np.testing.assert_allclose(one.gender_probs, other.gender_probs, atol=TOLERANCE)


class ClassifierContract(ABC):
    """The tests, on the default model."""

    @pytest.fixture
    @abstractmethod
    def classifier(self) -> Classifier:
        """Provide the implementation, with the model `MODEL` of triton_models/."""

    def test_the_golden_picture_gets_its_answer(self, classifier: Classifier) -> None:
        check_golden(classifier.classify, read_golden(resource("triton_models") / MODEL), "the model")

    def test_no_crop_gives_no_row(self, classifier: Classifier) -> None:
        answer = classifier.classify(noise(0))
        assert (answer.age_probs.shape, answer.gender_probs.shape) == ((0, 101), (0, 2))

    @pytest.mark.parametrize("count", [1, 32, 33, 64, 65, 200])
    def test_batches_of_any_size_give_a_distribution_for_each_crop_in_order(self, classifier: Classifier, count: int) -> None:
        crops = noise(count)
        answer = classifier.classify(crops)
        np.testing.assert_allclose(answer.age_probs.sum(axis=1), np.ones(count), atol=1e-4)
        np.testing.assert_allclose(answer.gender_probs.sum(axis=1), np.ones(count), atol=1e-4)
        backwards = classifier.classify(crops[::-1])
        assert_alike(
            answer,
            Attributes(age_probs=backwards.age_probs[::-1].copy(), gender_probs=backwards.gender_probs[::-1].copy()),
        )

    def test_it_answers_as_all_others(self, classifier: Classifier) -> None:
        crops = noise(70, seed=1)
        assert_alike(classifier.classify(crops), reference().classify(crops))

    def test_a_crop_that_is_not_contiguous_is_the_same_crop(self, classifier: Classifier) -> None:
        wide = np.concatenate([noise(4), noise(4, seed=2)], axis=2)
        assert_alike(classifier.classify(wide[:, :, :112]), classifier.classify(noise(4)))

    @pytest.mark.parametrize(
        "crops",
        [
            np.zeros((2, 96, 112, 3), np.uint8),
            np.zeros((112, 112, 3), np.uint8),
            np.zeros((1, 3, 112, 112), np.uint8),
            np.zeros((1, 112, 112, 4), np.uint8),
            np.zeros((1, 112, 112, 3), np.float32),
            np.zeros((0, 96, 112, 3), np.uint8),
        ],
        ids=lambda crops: f"{crops.shape} {crops.dtype}",
    )
    def test_other_arrays_are_refused_with_what_was_expected(self, classifier: Classifier, crops: UInt8) -> None:
        with pytest.raises(ValueError, match=r"expected \(n, 112, 112, 3\) uint8, got"):
            classifier.classify(crops)

    def test_threads_do_not_disturb_each_other(self, classifier: Classifier) -> None:
        batches = [noise(count, seed=count) for count in (1, 2, 5, 9, 65) * 3]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(classifier.classify, batches))
        for batch, answer in zip(batches, answers, strict=True):
            assert_alike(answer, classifier.classify(batch))

    def test_neither_the_crops_nor_an_earlier_answer_change(self, classifier: Classifier) -> None:
        crops = noise(3)
        crops.flags.writeable = False
        first = classifier.classify(crops)
        kept = first.age_probs.copy()
        classifier.classify(noise(3, seed=9))
        np.testing.assert_array_equal(crops, noise(3))
        np.testing.assert_array_equal(first.age_probs, kept)

    def test_an_answer_is_the_callers_own(self, classifier: Classifier) -> None:
        answer = classifier.classify(noise(1))
        answer.age_probs[:] = 0
        answer.gender_probs[:] = 0
        assert_alike(classifier.classify(noise(1)), reference().classify(noise(1)))

    def test_it_is_named_by_model_version_and_recipe_as_its_answers_are(self, classifier: Classifier) -> None:
        answer = classifier.classify(noise(1))
        assert classifier.name == answer.model == f"{MODEL}:{newest_version(MODEL)}/tight-1"
