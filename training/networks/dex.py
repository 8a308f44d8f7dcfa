"""DEX, deep expectation of apparent age (Rothe, Timofte and Van Gool, IJCV 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from training.likelihood import gender_loss, interval_loss
from training.networks.base import AGES, Network
from training.networks.plan import chain, flat_size, max_pool, scaled, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.networks.base import Targets
    from training.networks.plan import Plan

_VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each resolution (Simonyan and Zisserman, 2015, configuration D)."""
_HIDDEN = 4096


class Dex(Network):
    """The layout of VGG-16, as VGG-Face has it, with a softmax over 101 years; the apparent age is its expectation.

    Exact ages are classes (cross-entropy), as in the paper; an age group is an interval of them. Gender has a head of its own.

    Args:
        side_px: Of the faces.
        width: Channels, as a share of the paper's.
        dropout: Before and after the second hidden layer, 0..1.
    """

    def __init__(self, *, side_px: int = 224, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.side_px = side_px
        self.trunk, _ = chain(*(_resolution(scaled(channels, width), count) for channels, count in _VGG_16))(3)
        hidden = scaled(_HIDDEN, width)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat_size(self.trunk, side_px), hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.age = nn.Linear(hidden, AGES)
        self.gender = nn.Linear(hidden, 2)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, 103): years 0 to 100, female, male."""
        hidden = self.hidden(self.trunk(faces))
        return torch.cat([self.age(hidden), self.gender(hidden)], dim=1).float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the parts `age` and `gender`."""
        return {
            "age": interval_loss(logits[:, :AGES], targets.age_low, targets.age_high, soft_share=0.0),
            "gender": gender_loss(logits[:, AGES:], targets.gender),
        }

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs."""
        return {"age_probs": torch.softmax(logits[:, :AGES], dim=1), "gender_probs": torch.softmax(logits[:, AGES:], dim=1)}


def _resolution(channels: int, count: int) -> Plan:
    return chain(*(unit(channels, 3) for _ in range(count)), max_pool(2))
