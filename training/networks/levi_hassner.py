"""Levi and Hassner, "Age and gender classification using convolutional neural networks" (CVPR workshops 2015), in two forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.evaluation.bands import ADIENCE_LABELS as BANDS
from training.faces import ANY_AGE
from training.likelihood import gender_loss
from training.networks.base import Network
from training.networks.decoding import AgeBins
from training.networks.plan import chain, flat_size, local_response, max_pool, scaled, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from training.networks.base import Targets
    from training.networks.plan import Plan

_HALF_LIFE_YEARS = 7.0  # of those beyond 60: half of them are younger than 67
_HIDDEN = 512


class LeviHassner(Network):
    """The original form: local response normalisation, dropout, softmax over the bands and over the genders.

    The paper trains a network for age and one for gender; here one has both. The years of the gaps between bands belong to the nearer
    one (`decoding.AgeBins`).

    Args:
        side_px: Of the faces.
        width: Channels, as a share of the paper's.
    """

    _NORM = True
    _DROPOUT = 0.5

    def __init__(self, *, side_px: int = 227, width: float = 1.0) -> None:
        super().__init__()
        self.side_px = side_px
        norm = (local_response(),) if self._NORM else ()
        self.trunk, _ = _trunk(width, norm)(3)
        hidden = scaled(_HIDDEN, width)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat_size(self.trunk, side_px), hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(self._DROPOUT),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(self._DROPOUT),
        )
        self.head = nn.Linear(hidden, len(BANDS) + 2)
        self.bins = AgeBins(BANDS, half_life_years=_HALF_LIFE_YEARS)

    def forward(self, faces: Tensor) -> Tensor:
        """Return logits (n, 10): bands, female, male."""
        logits: Tensor = self.head(self.hidden(self.trunk(faces)))
        return logits.float()

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the parts `age` and `gender`."""
        log_probs = torch.log_softmax(logits[:, : len(BANDS)], dim=1)
        return {
            "age": self.bins.loss(log_probs, targets.age_low, targets.age_high),
            "gender": gender_loss(logits[:, len(BANDS) :], targets.gender),
        }

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs."""
        bands = torch.softmax(logits[:, : len(BANDS)], dim=1)
        return {"age_probs": self.bins.years(bands), "gender_probs": torch.softmax(logits[:, len(BANDS) :], dim=1)}


class LeviHassnerModified(LeviHassner):
    """The modified form: no normalisation, no dropout, and a sigmoid for each answer, which is right or wrong for itself.

    The target of a band is how likely it is once the label is known, which is 0 or 1 where the label lies in one band. The answers are
    divided by their sum to become probabilities.
    """

    _NORM = False
    _DROPOUT = 0.0

    def losses(self, logits: Tensor, targets: Targets) -> Mapping[str, Tensor]:
        """Return the parts `age` and `gender`: binary cross-entropies of what is known, summed over the answers."""
        aged = (targets.age_low > ANY_AGE[0]) | (targets.age_high < ANY_AGE[1])
        bands = logits[aged, : len(BANDS)]
        likely = self.bins.posterior(_shares(bands), targets.age_low[aged], targets.age_high[aged])
        known = targets.gender >= 0
        wanted = functional.one_hot(targets.gender[known], 2).float()
        return {"age": _answers_loss(bands, likely), "gender": _answers_loss(logits[known, len(BANDS) :], wanted)}

    def decode(self, logits: Tensor) -> Mapping[str, Tensor]:
        """Return the contract's outputs."""
        bands = _shares(logits[:, : len(BANDS)])
        return {"age_probs": self.bins.years(bands), "gender_probs": _shares(logits[:, len(BANDS) :])}


def _trunk(width: float, norm: tuple[Plan, ...]) -> Plan:
    return chain(
        unit(scaled(96, width), 7, stride=4, padding=0),
        max_pool(ceil=True),
        *norm,
        unit(scaled(256, width), 5),
        max_pool(ceil=True),
        *norm,
        unit(scaled(384, width), 3),
        max_pool(ceil=True),
    )


def _shares(logits: Tensor) -> Tensor:
    """Return sigmoids divided by their sum, (n, k); in logarithms, where none becomes 0."""
    return torch.softmax(functional.logsigmoid(logits), dim=1)


def _answers_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return binary cross-entropies (n, k), summed over the answers and averaged over the faces; 0 of no faces."""
    total = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
    return total / max(len(logits), 1)
