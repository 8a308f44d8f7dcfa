"""Layers that several networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class Convolution(nn.Module):
    """A convolution whose weight is stored as a matrix (outputs, inputs x rows x columns), as the Muon optimizer takes it.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: In both directions.
        kernel: Side, or rows and columns.
        padding: Zeros around, in both directions; None: half of the kernel, so that stride 1 keeps the resolution.
        bias: Whether there is one; a batch normalisation that follows makes it superfluous.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        kernel: int | tuple[int, int] = 3,
        padding: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        self._shape = (outputs, rows, columns, inputs)
        self._stride = stride
        self._padding = (rows // 2, columns // 2) if padding is None else (padding, padding)
        fan_in = inputs * rows * columns
        self.matrix = nn.Parameter(torch.randn(outputs, fan_in) * (2 / fan_in) ** 0.5)  # He et al., 2015
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, planes: Tensor) -> Tensor:
        """Return (n, outputs, h / stride, w / stride) of (n, inputs, h, w)."""
        weight = self.matrix.view(self._shape).permute(0, 3, 1, 2)
        return functional.conv2d(planes, weight, self.bias, stride=self._stride, padding=self._padding)


class LocalResponse(nn.Module):
    """Local response normalisation over neighbouring channels (Krizhevsky et al., "ImageNet classification", 2012, 3.3).

    As the networks of Caffe have it: 5 channels, an exponent of 0.75, alpha 1e-4 for pictures of 0 to 255. Ours are divided by 64
    (`base.normalised`), which alpha makes up for. The neighbours are summed by a 1x1 convolution, which is fast on processors.
    """

    _NEIGHBOURS = 5
    _ALPHA = 1e-4 * 64**2

    band: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        apart = torch.arange(channels)[:, None] - torch.arange(channels)
        self.register_buffer("band", (apart.abs() <= self._NEIGHBOURS // 2).float()[:, :, None, None], persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        """Return (n, c, h, w) of (n, c, h, w)."""
        energy = functional.conv2d(planes**2, self.band)
        root = (1 + self._ALPHA / self._NEIGHBOURS * energy).rsqrt()
        return planes * root * root.sqrt()  # the exponent 1/2 + 1/4, without a costly power
