"""The training and the validation part of a recipe's data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.aligned import aligned
from training.datasets import open_dataset
from training.faces import joined
from training.split import copies_of, split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from training.faces import Faces


def open_parts(names: Sequence[str], data: Path, cache: Path, console: Console) -> tuple[Faces, Faces]:
    """Return the training and the validation faces of data sets, aligned.

    Each is split by itself; faces to train on that are near copies of another one's validation faces are left out.

    Args:
        names: Of the data sets.
        data: Holds a folder of each one's name.
        cache: Keeps what is aligned.
        console: Shows how far that is.
    """
    train, validation = [], []
    for name in names:
        dataset = open_dataset(name, data / name)
        faces = aligned(dataset, cache, console)
        halves = split(faces, held_out=dataset.held_out)
        train.append(faces.take(halves.train))
        validation.append(faces.take(halves.validation))
    learnt, measured = joined(train), joined(validation)
    return learnt.take(~copies_of(learnt.fingerprints, measured.fingerprints)), measured
