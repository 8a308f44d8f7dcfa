"""How weights move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.networks.layers import Convolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from torch import nn

    from training.recipe import Optimizer


class Optimizers:
    """Muon (Jordan et al., 2024) for the convolutions' matrices, AdamW for the rest, under one schedule.

    Measured on FairFace at 64 pixels after two epochs: docs/training.md.
    """

    def __init__(self, network: nn.Module, recipe: Optimizer, steps: int) -> None:
        self._recipe, self._steps = recipe, steps
        matrices = [layer.matrix for layer in network.modules() if isinstance(layer, Convolution)]
        of_muon = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in network.parameters() if id(parameter) not in of_muon]
        groups = [
            {"params": [parameter for parameter in others if parameter.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [parameter for parameter in others if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
        self._all: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.99))]
        if matrices:
            muon = torch.optim.Muon(
                matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            )
            self._all.append(muon)
        self._full = [[group["lr"] for group in one.param_groups] for one in self._all]

    def step(self, done: int) -> None:
        """Move the weights along their gradients, which are then cleared; `done` steps went before."""
        share = schedule(self._recipe, done, self._steps)
        for one, full in zip(self._all, self._full, strict=True):
            for group, rate in zip(one.param_groups, full, strict=True):
                group["lr"] = rate * share
            one.step()
            one.zero_grad(set_to_none=True)

    def state_dict(self) -> list[Mapping[str, Any]]:
        """Return what a checkpoint keeps."""
        return [one.state_dict() for one in self._all]

    def load_state_dict(self, states: Iterable[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for one, state in zip(self._all, states, strict=True):
            one.load_state_dict(state)


def schedule(recipe: Optimizer, done: int, steps: int) -> float:
    """Return the share of the full rate, above 0 to 1: it rises, holds, and falls evenly."""
    rising = (done + 1) / (recipe.warmup_steps + 1)
    falling = (steps - done) / max((1 - recipe.hold) * steps, 1)
    return min(rising, falling, 1.0)
