"""A quick look at a network between two epochs; the real measurement is `training/evaluation/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from training.evaluation.bands import NINE, UNKNOWN_BAND
from training.networks.base import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from pipeline.types import Float32, UInt8
    from training.faces import Faces
    from training.networks.base import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Shares of faces, and years; None where no label tells."""

    bands: float | None  # in the right one of nine, of labels that lie in one
    one_off: float | None  # in it or beside it
    gender: float | None
    mae: float | None  # years, of exact ages
    person: float | None  # rightly told from a closed set of people, or as none of them (networks/identity.py only)


def check(network: Network, faces: Faces, side_px: int, device: torch.device) -> Check:
    """Return how a network does on faces, at a training's present resolution."""
    said = answers(network, faces, side_px, device)
    age_probs, people = said["age_probs"], said.get("person_probs")
    band = NINE.of_intervals(faces.age_low, faces.age_high)
    found = np.add.reduceat(age_probs, NINE.starts, axis=1).argmax(axis=1)
    off = np.abs(found - band)[band != UNKNOWN_BAND]
    exact = faces.age_low == faces.age_high
    known = faces.gender >= 0
    years = np.abs(age_probs @ np.arange(age_probs.shape[1]) - faces.age_low)
    return Check(
        bands=_mean(off == 0),
        one_off=_mean(off <= 1),
        gender=_mean((said["gender_probs"].argmax(axis=1) == faces.gender)[known]),
        mae=_mean(years[exact]),
        person=None if people is None else _mean(people.argmax(axis=1) == faces.person),
    )


@torch.no_grad()
def answers(
    network: Network,
    faces: Faces,
    side_px: int,
    device: torch.device,
    *,
    mirrored: bool = False,
    told: Callable[[int], object] = lambda _: None,
) -> Mapping[str, Float32]:
    """Return what a network decodes of the faces' serving crops, by name.

    Args:
        network: Whose answers; it is put into its evaluation mode.
        faces: n of them.
        side_px: To which the crops are scaled.
        device: Where the network is.
        mirrored: Whether to return the mean with the answers to the mirror images.
        told: Is called with the number of faces after each batch.
    """
    network.eval()
    parts = []
    for crops in faces.crops():
        planes = normalised(torch.from_numpy(_scaled(crops, side_px)).to(device)).contiguous(memory_format=torch.channels_last)
        found = _decoded(network, planes)
        if mirrored:
            found = {name: (probs + found[name]) / 2 for name, probs in _decoded(network, planes.flip(3)).items()}
        parts.append({name: probs.cpu().numpy() for name, probs in found.items()})
        told(len(crops))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _decoded(network: Network, planes: Tensor) -> Mapping[str, Tensor]:
    with torch.autocast(planes.device.type, torch.bfloat16):
        logits = network(planes)
    return network.decode(logits.float())


def _scaled(crops: UInt8, side_px: int) -> UInt8:
    if crops.shape[1] == side_px:
        return crops
    return np.stack([np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8) for crop in crops])


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> float | None:
    return round(float(values.mean()), 4) if values.size else None
