"""What stands around a network's forward pass: scaling, the mirror image, temperatures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.training.small import small_network
from training.evaluation.estimates import tempered
from training.golden import parity_crops
from training.served import Served, Temperatures, scaling

CROPS = torch.from_numpy(parity_crops())


@torch.no_grad()
def answers(served: Served, crops: torch.Tensor = CROPS) -> list[torch.Tensor]:
    return list(served(crops).values())


def test_with_flip_a_face_and_its_mirror_image_get_the_mean_of_both_answers() -> None:
    flip, alone = Served(small_network(), flip=True), Served(small_network())
    mirrored = CROPS.flip(2)
    for one, other, first, second in zip(answers(flip), answers(flip, mirrored), answers(alone), answers(alone, mirrored), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
        torch.testing.assert_close(one, (first + second) / 2, atol=1e-6, rtol=0)
        assert not torch.allclose(first, second)


def test_temperatures_are_those_of_the_evaluation() -> None:
    age_probs, gender_probs = answers(Served(small_network()))
    warm = answers(Served(small_network(), temperatures=Temperatures(age=1.7, gender=0.6)))
    np.testing.assert_allclose(warm[0], tempered(age_probs.numpy(), 1.7), atol=1e-6)
    np.testing.assert_allclose(warm[1], tempered(gender_probs.numpy(), 0.6), atol=1e-6)


@pytest.mark.parametrize("side_px", [32, 96, 227])
def test_crops_are_scaled_as_torch_scales_them(side_px: int) -> None:
    planes = CROPS.permute(0, 3, 1, 2).float()
    rows = scaling(side_px)
    wanted = functional.interpolate(planes, size=(side_px, side_px), mode="bilinear", antialias=True)
    torch.testing.assert_close(rows @ planes @ rows.T, wanted, atol=1e-3, rtol=0)


def test_a_network_of_another_side_sees_the_whole_face_in_it() -> None:
    seen: list[tuple[int, ...]] = []
    network = small_network(side_px=64)
    network.register_forward_pre_hook(lambda _, arguments: seen.append(tuple(arguments[0].shape)))
    answers(Served(network, flip=True))
    assert seen == [(2 * len(CROPS), 3, 64, 64)]
