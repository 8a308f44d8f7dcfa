"""Layers that several networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class Convolution(nn.Module):
    """A convolution without bias whose weight is stored as a matrix (outputs, inputs x rows x columns), as the Muon optimizer takes it."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self._shape = (outputs, kernel, kernel, inputs)
        self._stride, self._padding = stride, kernel // 2
        fan_in = inputs * kernel * kernel
        self.matrix = nn.Parameter(torch.randn(outputs, fan_in) * (2 / fan_in) ** 0.5)  # He et al., 2015

    def forward(self, planes: Tensor) -> Tensor:
        """Return (n, outputs, h / stride, w / stride) of (n, inputs, h, w)."""
        weight = self.matrix.view(self._shape).permute(0, 3, 1, 2)
        return functional.conv2d(planes, weight, stride=self._stride, padding=self._padding)
