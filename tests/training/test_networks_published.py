"""At width 1 the networks are those of their papers: as many weights as the published ones, and the same resolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from training.networks import open_network
from training.networks.dex import Dex
from training.networks.googlenet_gender import GooglenetGender
from training.networks.inception_v3 import inception_v3
from training.networks.layers import LocalResponse
from training.networks.levi_hassner import LeviHassner


def weights(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def resolution(layers: nn.Module, side_px: int) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(layers.eval()(torch.zeros(1, 3, side_px, side_px)).shape[1:])


def test_inception_v3() -> None:
    trunk, channels = inception_v3(1.0)(3)
    assert weights(trunk) == 21_785_568  # the published 23,834,568 without the layer of a thousand classes (2,049,000)
    assert (channels, *resolution(trunk, 299)[1:]) == (2048, 8, 8)


def test_googlenet() -> None:
    network = open_network("googlenet_gender", {})
    assert isinstance(network, GooglenetGender)
    trunk = nn.Sequential(network.first, network.second, network.third)
    assert weights(trunk) == 5_973_552  # Caffe's 6,998,552 without the layer of a thousand classes (1,025,000)
    assert resolution(trunk, 224) == (1024, 7, 7)


def test_vgg_16() -> None:
    network = open_network("dex", {"side_px": 32})
    assert isinstance(network, Dex)
    assert weights(network.trunk) == 14_714_688  # the thirteen convolutions of configuration D
    assert resolution(network.trunk, 224) == (512, 7, 7)
    assert network.age.in_features == 4096


@pytest.mark.parametrize("form", ["levi_hassner", "levi_hassner_modified"])
def test_levi_and_hassner(form: str) -> None:
    network = open_network(form, {})
    assert isinstance(network, LeviHassner)
    # 96 of 7x7x3, 256 of 5x5x96, 384 of 3x3x256, with a bias each.
    assert weights(network.trunk) == 96 * (147 + 1) + 256 * (2400 + 1) + 384 * (2304 + 1)
    assert resolution(network.trunk, 227) == (384, 7, 7)
    assert weights(network.hidden) == 512 * (384 * 7 * 7 + 1) + 512 * (512 + 1)
    assert sum(isinstance(module, LocalResponse) for module in network.modules()) == (2 if form == "levi_hassner" else 0)
    assert all(module.p == (0.5 if form == "levi_hassner" else 0) for module in network.modules() if isinstance(module, nn.Dropout))


def test_local_response_normalisation_is_the_published_one() -> None:
    planes = torch.randn(2, 7, 5, 4, generator=torch.Generator().manual_seed(2))
    of_pictures_to_255 = functional.local_response_norm(planes * 64, 5, alpha=1e-4, beta=0.75, k=1.0)
    torch.testing.assert_close(LocalResponse(7)(planes) * 64, of_pictures_to_255)
