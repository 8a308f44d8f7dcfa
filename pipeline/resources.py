"""Finds the folders that travel with the code: `migrations/` and `triton_models/`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def resource(name: str) -> Path:
    """Return the folder `name`, inside the installed wheel or beside the packages of a checkout.

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    package = Path(str(files("pipeline")))
    for folder in (package / "_resources" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"Headcount was installed without its folder {name}/; install it again")
