"""Where an interrupted training goes on."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "checkpoint.pt"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others from training in a folder meanwhile.

    Raises:
        TrainingError: Another one is training there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(f"{folder}: another process is training there; wait for it, or name another --training-dir") from None
        yield


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; one that is written half never takes the place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{NAME}.part"
    torch.save(state, half)
    with half.open("rb") as written:
        os.fsync(written.fileno())
    half.replace(folder / NAME)


def load(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint of a folder; None where there is none.

    Raises:
        TrainingError: The file is no checkpoint.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)  # tensors only: nothing in it is run
    except Exception as error:  # noqa: BLE001 - a damaged file fails in many ways: zip, pickle, storage
        raise TrainingError(f"{path} is no checkpoint ({type(error).__name__}); remove it to begin anew") from None
    return state
