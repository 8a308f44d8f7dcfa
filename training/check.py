"""A quick look at a network between two epochs; the real measurement is `training/evaluation/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from training.networks.base import normalised

if TYPE_CHECKING:
    from pipeline.types import Float32, UInt8
    from training.faces import Faces
    from training.networks.base import Network

_BAND_STARTS = np.array([0, 3, 10, 20, 30, 40, 50, 60, 70])


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Shares of faces, and years; None where no label tells."""

    bands: float | None  # in the right one of nine
    one_off: float | None  # in it or beside it
    gender: float | None
    mae: float | None  # years, of exact ages


def check(network: Network, faces: Faces, side_px: int, device: torch.device) -> Check:
    """Return how a network does on faces, at a training's present resolution."""
    age_probs, gender_probs = _answers(network, faces, side_px, device)
    band = np.searchsorted(_BAND_STARTS, faces.age_low, side="right") - 1
    found = np.add.reduceat(age_probs, _BAND_STARTS, axis=1).argmax(axis=1)
    off = np.abs(found - band)[faces.age_high - faces.age_low < 100]  # noqa: PLR2004 - ANY_AGE says nothing
    exact = faces.age_low == faces.age_high
    known = faces.gender >= 0
    years = np.abs(age_probs @ np.arange(age_probs.shape[1]) - faces.age_low)
    return Check(
        bands=_mean(off == 0),
        one_off=_mean(off <= 1),
        gender=_mean((gender_probs.argmax(axis=1) == faces.gender)[known]),
        mae=_mean(years[exact]),
    )


@torch.no_grad()
def _answers(network: Network, faces: Faces, side_px: int, device: torch.device) -> tuple[Float32, Float32]:
    network.eval()
    ages, genders = [], []
    for crops in faces.crops():
        planes = normalised(torch.from_numpy(_scaled(crops, side_px)).to(device)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(planes)
        answer = network.decode(logits.float())
        ages.append(answer["age_probs"].cpu().numpy())
        genders.append(answer["gender_probs"].cpu().numpy())
    return np.concatenate(ages), np.concatenate(genders)


def _scaled(crops: UInt8, side_px: int) -> UInt8:
    if crops.shape[1] == side_px:
        return crops
    return np.stack([np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8) for crop in crops])


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> float | None:
    return round(float(values.mean()), 4) if values.size else None
