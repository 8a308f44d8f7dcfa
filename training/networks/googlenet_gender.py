"""Gender alone, by GoogLeNet (Szegedy et al., "Going deeper with convolutions", CVPR 2015)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from training.likelihood import gender_loss
from training.networks.base import AGES, Network
from training.networks.decoding import even
from training.networks.plan import branches, chain, flat_size, local_response, max_pool, scaled, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.networks.base import Targets
    from training.networks.plan import Plan

_AUXILIARY_WEIGHT = 0.3
_DROPOUT = 0.4


class _Channels(NamedTuple):
    """A row of the paper's table 1."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    pooled: int


_MODULES_3 = (_Channels(64, 96, 128, 16, 32, 32), _Channels(128, 128, 192, 32, 96, 64))
_MODULES_4 = (
    _Channels(192, 96, 208, 16, 48, 64),
    _Channels(160, 112, 224, 24, 64, 64),
    _Channels(128, 128, 256, 24, 64, 64),
    _Channels(112, 144, 288, 32, 64, 64),
    _Channels(256, 160, 320, 32, 128, 128),
)
_MODULES_5 = (_Channels(256, 160, 320, 32, 128, 128), _Channels(384, 192, 384, 48, 128, 128))


class GooglenetGender(Network):
    """Inception modules without batch normalisation, with the paper's two auxiliary classifiers, which are there in training only.

    Args:
        side_px: Of the faces, at least 80: the auxiliary classifiers pool 5x5 at a sixteenth of it.
        width: Channels, as a share of the paper's.
    """

    def __init__(self, *, side_px: int = 224, width: float = 1.0) -> None:
        super().__init__()
        self.side_px = side_px
        module = partial(_module, width)
        self.first, lower = chain(_stem(width), *map(module, _MODULES_3), max_pool(ceil=True), module(_MODULES_4[0]))(3)
        self.second, middle = chain(*map(module, _MODULES_4[1:4]))(lower)
        self.third, features = chain(module(_MODULES_4[4]), max_pool(ceil=True), *map(module, _MODULES_5))(middle)
        self.auxiliary = nn.ModuleList(
            [
                _auxiliary(self.first, lower, width, side_px),
                _auxiliary(nn.Sequential(self.first, self.second), middle, width, side_px),
            ]
        )
        self.dropout = nn.Dropout(_DROPOUT)
        self.head = nn.Linear(features, 2)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, 2): female, male; in training (n, 6), with those of the auxiliary classifiers."""
        lower = self.first(faces)
        middle = self.second(lower)
        features = self.third(middle).mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(features))
        if self.training:
            logits = torch.cat([logits, *(side(planes) for side, planes in zip(self.auxiliary, (lower, middle), strict=True))], dim=1)
        return logits.float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the part `gender` and, in training, `auxiliary`."""
        main, *auxiliary = torch.split(logits, 2, dim=1)
        parts = {"gender": gender_loss(main, targets.gender)}
        if auxiliary:
            parts["auxiliary"] = _AUXILIARY_WEIGHT * torch.stack([gender_loss(side, targets.gender) for side in auxiliary]).sum()
        return parts

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs; each age is equally likely, for it is not estimated."""
        return {"age_probs": even(logits, AGES), "gender_probs": torch.softmax(logits[:, :2], dim=1)}


def _auxiliary(below: nn.Module, inputs: int, width: float, side_px: int) -> nn.Module:
    """Return the classifier that the paper puts on layers in the middle, so that gradients reach them."""
    hidden = scaled(1024, width)
    pooled = nn.Sequential(nn.AvgPool2d(5, 3), unit(scaled(128, width), 1)(inputs).layers, nn.Flatten())
    values = flat_size(nn.Sequential(below, pooled), side_px)
    return nn.Sequential(pooled, nn.Linear(values, hidden), nn.ReLU(inplace=True), nn.Dropout(0.7), nn.Linear(hidden, 2))


def _stem(width: float) -> Plan:
    return chain(
        unit(scaled(64, width), 7, stride=2),
        max_pool(ceil=True),
        local_response(),
        unit(scaled(64, width), 1),
        unit(scaled(192, width), 3),
        local_response(),
        max_pool(ceil=True),
    )


def _module(width: float, channels: _Channels) -> Plan:
    one, reduce_three, three, reduce_five, five, pooled = (scaled(count, width) for count in channels)
    return branches(
        unit(one, 1),
        chain(unit(reduce_three, 1), unit(three, 3)),
        chain(unit(reduce_five, 1), unit(five, 5)),
        chain(max_pool(stride=1, padding=1), unit(pooled, 1)),
    )
