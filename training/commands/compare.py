"""`headcount-train compare`: the table of all models."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from training.options import REPOSITORY, Repository


def compare(repository: Repository = REPOSITORY) -> None:
    """Write the table of all measured models into the repository's README."""
    from training.comparison import write_table  # noqa: PLC0415 - --help must not wait for ONNX
    from training.released import read_all  # noqa: PLC0415 - as above

    Console(highlight=False).print(escape(str(write_table(repository, read_all(repository)))), soft_wrap=True)
