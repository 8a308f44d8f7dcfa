"""A network as it is served: crops in, probabilities out; what stands around its forward pass, in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from pipeline.stages.align import CROP_SIDE_PX
from training.networks.base import normalised

if TYPE_CHECKING:
    from torch import Tensor

    from training.networks.base import Network

CONTRACT_OUTPUTS = ("age_probs", "gender_probs")
_LEAST = 1e-12  # probabilities below it are taken for it, so that each has a logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """What the logarithms of the probabilities are divided by, fitted on validation faces (Guo et al., 2017); 1: as they are."""

    age: float = 1.0
    gender: float = 1.0


class Served(nn.Module):
    """The whole graph of a model.

    Args:
        network: Is put into evaluation mode.
        flip: Average the answers to the face and to its mirror image.
        temperatures: Applied last, so that they may be fitted on what the same graph answers without them.
    """

    def __init__(self, network: Network, *, flip: bool = False, temperatures: Temperatures | None = None) -> None:
        super().__init__()
        self.network = network
        self._flip = flip
        wanted = temperatures or Temperatures()
        self._temperatures = {"age_probs": wanted.age, "gender_probs": wanted.gender}
        self.register_buffer("rows", scaling(network.side_px), persistent=False)
        self.eval()

    def forward(self, face: Tensor) -> dict[str, Tensor]:
        """Return the contract's outputs, and what else the network decodes, of uint8 crops (n, 112, 112, 3)."""
        planes = normalised(face)
        if self.network.side_px != CROP_SIDE_PX:
            rows = self.get_buffer("rows")
            planes = rows @ planes @ rows.T
        if self._flip:
            planes = torch.cat([planes, planes.flip(3)])
        answers = self.network.decode(self.network(planes))
        names = [*CONTRACT_OUTPUTS, *(name for name in answers if name not in CONTRACT_OUTPUTS)]
        return {name: self._finished(name, answers[name]) for name in names}

    def _finished(self, name: str, probabilities: Tensor) -> Tensor:
        if self._flip:
            probabilities = probabilities.reshape(2, -1, probabilities.shape[1]).mean(dim=0)
        temperature = self._temperatures.get(name, 1.0)
        return probabilities if temperature == 1 else torch.softmax(probabilities.clamp(min=_LEAST).log() / temperature, dim=1)


def scaling(side_px: int) -> Tensor:
    """Return the matrix (side, 112) that scales the rows of a crop, bilinear with antialiasing; as a matrix every runtime has it."""
    return functional.interpolate(torch.eye(CROP_SIDE_PX)[None, None], size=(side_px, CROP_SIDE_PX), mode="bilinear", antialias=True)[0, 0]
