"""Architectures as expressions: a plan takes how many channels come in, and gives the layers and how many channels go out.

So `branches(unit(64, 1), chain(unit(48, 1), unit(64, 5)))` reads like the figure in the paper, at any width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import nn

from training.networks.layers import Convolution, LocalResponse

if TYPE_CHECKING:
    from torch import Tensor


class Built(NamedTuple):
    """Layers, and the channels that leave them."""

    layers: nn.Module
    outputs: int


Plan: TypeAlias = Callable[[int], Built]

_STEP = 8
_EPSILON = 1e-3  # of batch normalisation, as the Inception networks have it


def scaled(channels: int, width: float) -> int:
    """Return a paper's channels at a width (1: as in the paper): a multiple of 8, which the vector units of processors like."""
    return max(_STEP, _STEP * round(channels * width / _STEP))


def unit(outputs: int, kernel: int | tuple[int, int], *, stride: int = 1, padding: int | None = None, norm: bool = False) -> Plan:
    """Plan a convolution with ReLU, and batch normalisation between them where `norm` says so."""

    def build(inputs: int) -> Built:
        layers: list[nn.Module] = [Convolution(inputs, outputs, stride=stride, kernel=kernel, padding=padding, bias=not norm)]
        if norm:
            layers.append(nn.BatchNorm2d(outputs, eps=_EPSILON))
        return Built(nn.Sequential(*layers, nn.ReLU(inplace=True)), outputs)

    return build


def max_pool(kernel: int = 3, *, stride: int = 2, padding: int = 0, ceil: bool = False) -> Plan:
    """Plan a maximum over windows; with `ceil`, windows that the border cuts count, as in Caffe."""
    return lambda inputs: Built(nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil), inputs)


def average_pool(kernel: int = 3, *, stride: int = 1, padding: int = 1) -> Plan:
    """Plan a mean over windows."""
    return lambda inputs: Built(nn.AvgPool2d(kernel, stride, padding), inputs)


def local_response() -> Plan:
    """Plan a local response normalisation."""
    return lambda inputs: Built(LocalResponse(inputs), inputs)


def chain(*plans: Plan) -> Plan:
    """Plan layers one after another."""

    def build(inputs: int) -> Built:
        layers = []
        for plan in plans:
            built, inputs = plan(inputs)
            layers.append(built)
        return Built(nn.Sequential(*layers), inputs)

    return build


def branches(*plans: Plan) -> Plan:
    """Plan layers beside each other, whose channels are joined."""

    def build(inputs: int) -> Built:
        built = [plan(inputs) for plan in plans]
        return Built(_Branches(part.layers for part in built), sum(part.outputs for part in built))

    return build


def flat_size(layers: nn.Module, side_px: int) -> int:
    """Return how many values leave layers for one face."""
    with torch.no_grad():
        values: Tensor = layers(torch.zeros(1, 3, side_px, side_px))
    return values.numel()


class _Branches(nn.ModuleList):
    def forward(self, planes: Tensor) -> Tensor:
        return torch.cat([branch(planes) for branch in self], dim=1)
