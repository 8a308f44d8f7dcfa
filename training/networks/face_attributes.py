"""The default: a small residual network with one trunk for age and gender."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.likelihood import age_loss, gender_loss
from training.networks.base import AGES, Network
from training.networks.layers import Convolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from training.networks.base import Targets

_GENDER_WEIGHT = 1.2
_RESIDUAL_START = 0.2  # a block begins as little more than its shortcut, which lets a deep network learn fast


class FaceAttributes(Network):
    """Residual blocks (He et al., 2016) in three resolutions; wide and shallow, which the vector units of processors like.

    Args:
        widths: Channels at a quarter, an eighth and a sixteenth of the side.
        blocks: Residual blocks at each.
        stem: Channels at half of the side.
        dropout: Of the pooled features, 0..1.
    """

    side_px = 112

    def __init__(
        self, *, widths: Sequence[int] = (64, 128, 256), blocks: Sequence[int] = (2, 2, 2), stem: int = 32, dropout: float = 0.2
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"expected as many blocks as widths, got {len(blocks)} and {len(widths)}")
        layers: list[nn.Module] = [nn.PixelUnshuffle(2), _Unit(12, stem)]
        inputs = stem
        for width, count in zip(widths, blocks, strict=True):
            layers += [_Unit(inputs, width, stride=2), *(_Block(width) for _ in range(count))]
            inputs = width
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, AGES + 2)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, 103): years 0 to 100, female, male."""
        features = self.trunk(faces).mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(features))
        return logits.float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the parts `age` and `gender`."""
        return {
            "age": age_loss(logits[:, :AGES], targets.age_low, targets.age_high),
            "gender": _GENDER_WEIGHT * gender_loss(logits[:, AGES:], targets.gender),
        }

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs."""
        return {"age_probs": torch.softmax(logits[:, :AGES], dim=1), "gender_probs": torch.softmax(logits[:, AGES:], dim=1)}


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, stride=stride)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, planes: Tensor) -> Tensor:
        return functional.relu(self.norm(self.convolution(planes)))


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _Unit(width, width)
        self.second = Convolution(width, width)
        self.norm = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm.weight, _RESIDUAL_START)

    def forward(self, planes: Tensor) -> Tensor:
        return functional.relu(planes + self.norm(self.second(self.first(planes))))
