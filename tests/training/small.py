"""A network small enough for tests, which has opinions all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from training.networks import open_network

if TYPE_CHECKING:
    from training.networks.base import Network


def small_network(seed: int = 1, side_px: int = 112) -> Network:
    """Return a network with random weights, whose normalisation has seen something."""
    torch.manual_seed(seed)
    network = open_network("face_attributes", {"widths": [16, 16, 32], "blocks": [1, 1, 1], "stem": 16})
    network.side_px = side_px
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()
