"""Generation first, age within it: Inception-v3 with three heads, decoded coarse to fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from training.evaluation import bands
from training.likelihood import gender_loss
from training.networks.base import Network
from training.networks.decoding import AgeBins, narrowed, within
from training.networks.inception_v3 import inception_v3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.networks.base import Targets

GENERATIONS, AGE_BINS = bands.GENERATIONS.intervals, bands.AGE_BINS.intervals
"""Years, inclusive."""

_LOGITS = [len(GENERATIONS), len(AGE_BINS), 2]
_NOTHING = 1e-9


class Generation(Network):
    """The trunk of Inception-v3 with a head for the generation (6), one for the age bin (21), one for gender.

    The generation narrows the range in which the age bin is chosen (`decoding.narrowed`): each generation is as likely as its head
    says, and the bins decide within it.

    Args:
        side_px: Of the faces.
        width: Channels, as a share of the paper's.
        dropout: Of the pooled features, 0..1.
    """

    ranges: Tensor  # (6, 101)

    def __init__(self, *, side_px: int = 299, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        self.side_px = side_px
        self.trunk, features = inception_v3(width)(3)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, sum(_LOGITS))
        self.bins = AgeBins(AGE_BINS)
        first, last = torch.tensor(GENERATIONS).T
        self.register_buffer("ranges", within(first, last), persistent=False)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, 29): generations, age bins, female, male."""
        features = self.trunk(faces).mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(features))
        return logits.float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the parts `age` (of the decoded years), `generation`, `bin` (of either head alone) and `gender`."""
        generation, age_bin, gender = torch.split(logits, _LOGITS, dim=1)
        wanted = within(targets.age_low, targets.age_high)
        possible = (wanted @ self.ranges.T > 0).float()
        return {
            "age": _unlikelihood(self._years(generation, age_bin), wanted),
            "generation": _unlikelihood(torch.softmax(generation, dim=1), possible),
            "bin": self.bins.loss(torch.log_softmax(age_bin, dim=1), targets.age_low, targets.age_high),
            "gender": gender_loss(gender, targets.gender),
        }

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs."""
        generation, age_bin, gender = torch.split(logits, _LOGITS, dim=1)
        return {"age_probs": self._years(generation, age_bin), "gender_probs": torch.softmax(gender, dim=1)}

    def _years(self, generation: Tensor, age_bin: Tensor) -> Tensor:
        return narrowed(torch.softmax(generation, dim=1), self.bins.years(torch.softmax(age_bin, dim=1)), self.ranges)


def _unlikelihood(probs: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of what is wanted: (n, k) each, 1 where an answer agrees with the label."""
    return -((probs * wanted).sum(dim=1) + _NOTHING).log().mean()
