"""Batches of augmented faces: the same for a seed and an epoch, however many processes make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from training.augment.damage import harm
from training.augment.geometry import place
from training.networks.base import Targets

if TYPE_CHECKING:
    from torch import Tensor

    from training.faces import Faces, Int64
    from training.recipe import Recipe


class Batch(NamedTuple):
    """Some faces as a network is trained on them."""

    faces: Tensor  # (n, side, side, 3) uint8 RGB
    targets: Targets
    chosen: Tensor  # (n,) int64: their places among the faces that are trained on
    share: float  # of each face in the mixture with its counterpart, the last one's being the first (Zhang et al., "mixup", 2018); 1: alone


class EpochBatches(Dataset[Batch]):
    """The batches of one epoch; a last part that does not fill one is left out: the next epoch's order is another."""

    def __init__(self, faces: Faces, recipe: Recipe, epoch: int) -> None:
        self._faces, self._recipe, self._epoch = faces, recipe, epoch
        self._side_px = recipe.side_px(epoch)
        self._order: Int64 = np.random.default_rng((recipe.seed, epoch)).permutation(len(faces))

    def __len__(self) -> int:
        return len(self._faces) // self._recipe.batch

    def __getitem__(self, number: int) -> Batch:
        """Return one batch; its dice are its own."""
        if number >= len(self):
            raise IndexError(number)
        cv2.setNumThreads(1)  # this may be a process of its own
        size = self._recipe.batch
        chosen = self._order[number * size : (number + 1) * size]
        dice = np.random.default_rng((self._recipe.seed, self._epoch, number))
        faces = np.stack([self._augmented(row, dice) for row in self._faces.rows[chosen]])
        share = float(dice.beta(self._recipe.mix, self._recipe.mix)) if self._recipe.mix else 1.0
        return Batch(torch.from_numpy(faces), targets(self._faces, chosen), torch.from_numpy(chosen), share)

    def _augmented(self, row: np.int64, dice: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        placed = place(self._faces.canvases[int(row)], self._recipe.placement, self._side_px, dice)
        return harm(placed, self._recipe.damage, dice)


def targets(faces: Faces, chosen: Int64) -> Targets:
    """Return the labels of some faces."""
    picked = faces.take(chosen)
    return Targets(*(torch.from_numpy(part) for part in (picked.age_low, picked.age_high, picked.gender, picked.person)))


def loader(faces: Faces, recipe: Recipe, epoch: int, workers: int) -> DataLoader[Batch]:
    """Return one epoch's batches, made ahead by `workers` processes; 0: in this one."""
    return DataLoader(EpochBatches(faces, recipe, epoch), batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
