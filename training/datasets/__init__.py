"""Data sets, a loader each: a folder as its authors publish it in, labelled pictures out; nothing here needs torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from training.datasets.dataset import Dataset
from training.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NAMES", "Dataset", "open_dataset"]

_MODULES = {
    "adience": "adience",
    "appa_real": "appa_real",
    "appa_real_test": "appa_real",
    "fairface": "fairface",
    "fairface_val": "fairface",
    "imdb_wiki": "imdb_wiki",
    "people": "people",
    "utkface": "utkface",
}
NAMES = tuple(_MODULES)


def open_dataset(name: str, root: Path) -> Dataset:
    """Return a data set's labelled pictures.

    Args:
        name: One of `NAMES`.
        root: The folder that holds it.

    Raises:
        TrainingError: There is no such data set or folder, its table is missing or no table, or no picture of it can be used.
    """
    if name not in _MODULES:
        raise TrainingError(f"there is no data set {name}; there are {', '.join(NAMES)}")
    if not root.is_dir():
        raise TrainingError(f"there is no folder {root} with {name} in it")
    dataset: Dataset = getattr(import_module(f"training.datasets.{_MODULES[name]}"), f"open_{name}")(root)
    if not len(dataset):
        raise TrainingError(f"{root}: no picture of {name} can be used; left out: {dataset.left_out}")
    return dataset
