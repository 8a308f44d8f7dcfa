"""A closed set of people who agreed to be known, and "none of them" (docs/consent-identity.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.errors import TrainingError
from training.networks.base import AGES, Network
from training.networks.decoding import even
from training.networks.plan import chain, flat_size, max_pool, scaled, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.networks.base import Targets


class Identity(Network):
    """The small network that is usual for the 32x32 pictures of CIFAR: twice two convolutions and a pooling, one hidden layer.

    Age and gender are not estimated: each answer is equally likely.

    Args:
        people: How many the operator chose.
        side_px: Of the faces.
        width: Channels, as a share of 32, 64 and 512.
        dropout: Of the hidden layer, 0..1; after each pooling, half of it.
    """

    def __init__(self, *, people: int, side_px: int = 32, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.side_px = side_px
        first, second, hidden = (scaled(channels, width) for channels in (32, 64, 512))
        plan = chain(unit(first, 3), unit(first, 3), max_pool(2), unit(second, 3), unit(second, 3), max_pool(2))
        self.trunk, _ = plan(3)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout / 2),
            nn.Linear(flat_size(self.trunk, side_px), hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(hidden, people + 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, people + 1): nobody of them, then each."""
        logits: Tensor = self.head(self.hidden(self.trunk(faces)))
        return logits.float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the part `person`.

        Raises:
            TrainingError: The data hold more people than the network.
        """
        most, people = int(targets.person.max()), logits.shape[1] - 1
        if most > people:
            raise TrainingError(f"the data hold {most} people or more, the network {people}; set `people` in the recipe's options")
        return {"person": functional.cross_entropy(logits, targets.person)}

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs and `person_probs` (n, people + 1)."""
        return {"age_probs": even(logits, AGES), "gender_probs": even(logits, 2), "person_probs": torch.softmax(logits, dim=1)}
