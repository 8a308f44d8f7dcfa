"""The training loop: one for all networks; it can be ended at any time and goes on from the last whole epoch."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import checkpoint
from training.batches import loader
from training.check import Check, answers, check
from training.errors import TrainingError
from training.networks import open_network
from training.networks.base import Targets, normalised
from training.optimizers import Optimizers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from training.batches import Batch
    from training.faces import Faces
    from training.networks.base import Network
    from training.recipe import Recipe

LOG = "log.jsonl"
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch came to."""

    epoch: int  # counted from 1
    side_px: int
    losses: dict[str, float]  # means over the epoch, by part
    check: Check  # of the averaged weights, on the validation faces
    cpu_s: float  # processor time, of the processes that make batches too; all epochs so far, and those of what it started from
    wall_s: float


class Watcher(Protocol):
    """Whoever is told how the training goes."""

    def began(self, done: int, steps: int) -> None:
        """`done` of all steps were done by an earlier run."""

    def stepped(self, loss: float) -> None:
        """One step is done."""

    def finished(self, epoch: Epoch) -> None:
        """One epoch is done and saved."""


class Training:
    """One recipe's training in one folder.

    Raises:
        TrainingError: The folder holds the checkpoint of another recipe, or the data cannot fill one batch.
    """

    def __init__(self, recipe: Recipe, folder: Path, *, train: Faces, validation: Faces, device: str = "cpu") -> None:
        if len(train) < recipe.batch:
            raise TrainingError(f"{len(train)} faces do not fill one batch of {recipe.batch}")
        torch.manual_seed(recipe.seed)
        self._recipe, self._folder, self._device = recipe, folder, torch.device(device)
        self._train, self._validation = train, validation
        self.network: Network = open_network(recipe.network, recipe.options)
        self.network.to(self._device).to(memory_format=torch.channels_last)
        averaging = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.averaged = AveragedModel(self.network, multi_avg_fn=averaging, use_buffers=True)
        self._steps_per_epoch = len(train) // recipe.batch
        self._optimizers = Optimizers(self.network, recipe.optimizer, self._steps_per_epoch * recipe.epochs)
        self._taught: Mapping[str, Tensor] = {}  # by output: (faces that are trained on, its size) float16; empty: labels alone teach
        self._epoch, self._cpu_s, self._wall_s = 0, 0.0, 0.0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self._epoch >= self._recipe.epochs

    def resume(self) -> int:
        """Go on from the folder's checkpoint, if there is one; return how many epochs it holds."""
        state = checkpoint.load(self._folder)
        if state is None:
            return 0
        taught = state.get("taught", {})
        if state["recipe"] != self._identity() or (taught and state.get("faces") != self._order()):
            raise TrainingError(f"{self._folder} holds another training (its recipe or its faces differ); name another folder or remove it")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimizers.load_state_dict(state["optimizers"])
        self._taught = taught
        self._epoch, self._cpu_s, self._wall_s = state["epoch"], state["cpu_s"], state["wall_s"]
        return self._epoch

    def start_from(self, folder: Path) -> None:
        """Begin with the averaged weights of another training, whose processor time is counted too.

        Raises:
            TrainingError: There are none, or they are another network's.
        """
        state = checkpoint.load(folder)
        if state is None:
            raise TrainingError(f"{folder} holds no training to start from; train {self._recipe.start} first")
        try:
            self.averaged.load_state_dict(state["averaged"])
        except RuntimeError:
            raise TrainingError(f"{folder} holds another network than {self._recipe.network} with these options") from None
        self.network.load_state_dict(self.averaged.module.state_dict())
        self.averaged.n_averaged.zero_()
        self._cpu_s = state["cpu_s"]

    def be_taught(self, told: Callable[[int], object] = lambda _: None) -> None:
        """Ask the weights as they are now about all faces that are trained on: a share `teach` of the loss asks for their answers.

        Args:
            told: Is called with the number of faces after each batch.
        """
        cpu = _processor_s()
        said = answers(self.network, self._train, self._recipe.stages[-1].side_px, self._device, mirrored=True, told=told)
        self._taught = {name: torch.from_numpy(probs).half() for name, probs in said.items()}
        self._cpu_s += _processor_s() - cpu

    def run(self, watcher: Watcher, workers: int = 1) -> None:
        """Train until all epochs are done.

        Raises:
            TrainingError: The recipe has a teacher who was not asked (`be_taught`); or the loss is no number.
        """
        if self._recipe.teach and not self._taught:
            raise TrainingError(f"{self._recipe.name} is to be taught, and {self._recipe.start} was not asked")
        watcher.began(self._epoch * self._steps_per_epoch, self._recipe.epochs * self._steps_per_epoch)
        while not self.finished:
            cpu, wall = _processor_s(), time.monotonic()
            losses = self._one_epoch(watcher, workers)
            self._epoch += 1
            checked = check(cast("Network", self.averaged.module), self._validation, self._recipe.side_px(self._epoch - 1), self._device)
            self._cpu_s += _processor_s() - cpu
            self._wall_s += time.monotonic() - wall
            side_px = self._recipe.side_px(self._epoch - 1)
            result = Epoch(
                epoch=self._epoch, side_px=side_px, losses=losses, check=checked, cpu_s=round(self._cpu_s, 1), wall_s=round(self._wall_s, 1)
            )
            self._save(result)
            watcher.finished(result)

    def _one_epoch(self, watcher: Watcher, workers: int) -> dict[str, float]:
        torch.manual_seed(int(np.random.SeedSequence((self._recipe.seed, self._epoch)).generate_state(1)[0]))  # dropout's dice
        self.network.train()
        totals: dict[str, float] = {}
        done = self._epoch * self._steps_per_epoch
        for batch in loader(self._train, self._recipe, self._epoch, workers):
            parts = self._step(batch, done)
            done += 1
            for name, value in parts.items():
                totals[name] = totals.get(name, 0.0) + value / self._steps_per_epoch
            watcher.stepped(sum(parts.values()))
        return totals

    def _step(self, batch: Batch, done: int) -> dict[str, float]:
        planes = normalised(batch.faces.to(self._device))
        targets = Targets(*(part.to(self._device) for part in batch.targets))
        if batch.share < 1:
            planes = torch.lerp(planes.flip(0), planes, batch.share)
        with torch.autocast(self._device.type, torch.bfloat16):
            logits = self.network(planes.contiguous(memory_format=torch.channels_last))
        taught = {name: probs[batch.chosen].to(self._device).float() for name, probs in self._taught.items()}
        parts = self._losses(logits.float(), targets, taught)
        if batch.share < 1:
            others = self._losses(
                logits.float(), Targets(*(part.flip(0) for part in targets)), {name: probs.flip(0) for name, probs in taught.items()}
            )
            parts = {name: torch.lerp(others[name], part, batch.share) for name, part in parts.items()}
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimizers.step(done)
        self.averaged.update_parameters(self.network)
        values = {name: float(part.detach()) for name, part in parts.items()}
        if not all(value == value for value in values.values()):  # noqa: PLR0124 - NaN is the one value that differs from itself
            raise TrainingError(f"the loss is no number after {done + 1} steps; lower the rates of the recipe")
        return values

    def _losses(self, logits: Tensor, targets: Targets, taught: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the network's own parts, and how far its answers are from others (Hinton et al., "Distilling the knowledge", 2015).

        The distance is the Kullback-Leibler divergence, that of all heads alike.
        """
        parts = self.network.losses(logits, targets)
        if not taught:
            return parts
        share, said = self._recipe.teach, self.network.decode(logits)
        far = [functional.kl_div(said[name].clamp(min=_NOTHING).log(), probs, reduction="batchmean") for name, probs in taught.items()]
        return {**{name: (1 - share) * part for name, part in parts.items()}, "taught": share * torch.stack(far).sum()}

    def _save(self, result: Epoch) -> None:
        state: dict[str, Any] = {
            "recipe": self._identity(),
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizers": self._optimizers.state_dict(),
            "taught": dict(self._taught),
            "faces": self._order(),
            "epoch": self._epoch,
            "cpu_s": self._cpu_s,
            "wall_s": self._wall_s,
        }
        checkpoint.save(self._folder, state)
        with (self._folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(result)) + "\n")

    def _order(self) -> str:
        """Return a digest of the faces' keys in their order, by which answers about them are kept."""
        return sha256("\n".join(self._train.keys.tolist()).encode()).hexdigest()

    def _identity(self) -> str:
        """Return what a checkpoint must have in common with a training that goes on from it."""
        return f"{self._recipe.identity()} {len(self._train)}"


def _processor_s() -> float:
    """Return the processor time of this process and of those that it has waited for: at the end of an epoch, all that made its batches."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training has come to."""

    network: Network  # with the averaged weights, ready to be exported
    epochs: int
    cpu_hours: float  # of all runs, as in `Epoch`


def trained(recipe: Recipe, folder: Path) -> Trained:
    """Return what a training's folder holds.

    Raises:
        TrainingError: It holds no training, or that of another recipe.
    """
    state = checkpoint.load(folder)
    if state is None:
        raise TrainingError(f"{folder} holds no training; train {recipe.name} first")
    if state["recipe"].rpartition(" ")[0] != recipe.identity():
        raise TrainingError(f"{folder} holds the training of another recipe than {recipe.name} is now; train that anew in another folder")
    network = open_network(recipe.network, recipe.options)
    averaged = AveragedModel(network, use_buffers=True)
    try:
        averaged.load_state_dict(state["averaged"])
    except RuntimeError:
        raise TrainingError(f"{folder} holds another network than {recipe.network} is now; train {recipe.name} anew") from None
    network.load_state_dict(averaged.module.state_dict())
    return Trained(network=network.eval(), epochs=state["epoch"], cpu_hours=state["cpu_s"] / 3600)
