"""The quick look between two epochs counts as the real measurement does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.training.painted import labelled, paint
from training.check import answers, check
from training.networks.base import AGES, Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.faces import Faces
    from training.networks.base import Targets


class Painted(Network):
    """Reads the years from red, the person (0 to 2) from green; every face is a woman's."""

    side_px = 112

    def forward(self, faces: Tensor) -> Tensor:
        return faces[:, :2, 56, 56] * 64 + 127.5

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        raise NotImplementedError

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        years, person = logits.round().long().T
        women = functional.one_hot(torch.zeros_like(years), 2).float()
        return {
            "age_probs": functional.one_hot(years, AGES).float(),
            "gender_probs": women,
            "person_probs": functional.one_hot(person, 3).float(),
        }


class Unasked(Painted):
    """The same, which knows nobody."""

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        return {name: probs for name, probs in super().decode(logits).items() if name != "person_probs"}


class Sided(Painted):
    """Reads the years from the left half alone."""

    def forward(self, faces: Tensor) -> Tensor:
        return faces[:, :2, 56, 28] * 64 + 127.5


def checked(network: Network, faces: Faces) -> dict[str, float | None]:
    found = check(network, faces, 112, torch.device("cpu"))
    return {name: getattr(found, name) for name in ("bands", "one_off", "gender", "mae", "person")}


def test_a_label_that_reaches_into_another_band_is_not_judged() -> None:
    """Adience's 8-12, as in FairFace's 3-9 and 10-19: whatever is answered, nobody knows whether the band is right."""
    low, high = [8, 8, 20, 20, 0], [12, 12, 29, 29, 100]
    faces = labelled(paint([9, 50, 25, 31, 70], [0] * 5), age_low=low, age_high=high, gender=[0, 1, 0, 0, -1])
    assert checked(Unasked(), faces) == {"bands": 0.5, "one_off": 1.0, "gender": 0.75, "mae": None, "person": None}


def test_exact_years_have_an_error() -> None:
    faces = labelled(paint([9, 50], [0, 0]), age_low=[8, 53], age_high=[8, 53])
    assert checked(Unasked(), faces)["mae"] == pytest.approx(2.0)


def test_people_are_judged_and_so_is_nobody_of_them() -> None:
    faces = labelled(paint([30] * 600, np.tile([0, 1, 2, 2], 150).tolist()), person=np.tile([0, 1, 1, 2], 150))
    assert checked(Painted(), faces) == {"bands": None, "one_off": None, "gender": None, "mae": None, "person": 0.75}


def test_an_answer_is_the_mean_with_that_to_the_mirror_image() -> None:
    faces = labelled(paint([30] * 600, [0] * 600))
    canvases = np.stack([faces.canvases[row] for row in faces.rows.tolist()])
    canvases[:, :, canvases.shape[2] // 2 :, 0] = 50  # the right half is another age's
    faces, told = replace(faces, canvases=canvases, rows=np.arange(600)), list[int]()
    one = answers(Sided(), faces, 112, torch.device("cpu"), told=told.append)
    both = answers(Sided(), faces, 112, torch.device("cpu"), mirrored=True)
    assert sum(told) == len(one["age_probs"]) == 600
    assert one["age_probs"][:, 30].tolist() == [1.0] * 600
    assert both["age_probs"][:, [30, 50]].tolist() == [[0.5, 0.5]] * 600
