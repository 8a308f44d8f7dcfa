"""What the loop and the exporter ask of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

AGES = 101
"""Years 0 to 100."""


class Targets(NamedTuple):
    """The labels of n faces; each (n,)."""

    age_low: Tensor  # int64, years
    age_high: Tensor  # int64, years, inclusive
    gender: Tensor  # int64: 0 female, 1 male, -1 not known
    person: Tensor  # int64: which of a closed set of people; 0 none of them (networks/identity.py only)


class Network(nn.Module, ABC):
    """A network with its loss and its decoding into the one contract of `triton_models/`."""

    side_px: int
    """The side of the faces that it is served with; the exporter scales the 112-pixel crops to it, inside the graph."""

    @abstractmethod
    def forward(self, faces: Tensor) -> Tensor:
        """Return float32 logits (n, k) of faces (n, 3, side, side), normalised as `normalised` does."""

    @abstractmethod
    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the named scalar parts whose sum is minimised."""

    @abstractmethod
    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the outputs of the contract: `age_probs` (n, 101), `gender_probs` (n, 2: female, male), each row summing to 1."""


def normalised(faces: Tensor) -> Tensor:
    """Return uint8 faces (n, side, side, 3) as float32 planes (n, 3, side, side), about -2 to 2."""
    return (faces.permute(0, 3, 1, 2).float() - 127.5) / 64
