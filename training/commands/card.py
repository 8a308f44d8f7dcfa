"""`headcount-train card`: writes a model's card again, from its file and its reports."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from training.options import REPOSITORY, ModelName, Repository


def card(model: ModelName, repository: Repository = REPOSITORY) -> None:
    """Write the card of a model that was exported and measured here."""
    from training.card import write_card  # noqa: PLC0415 - --help must not wait for ONNX

    Console(highlight=False).print(escape(str(write_card(repository / model))), soft_wrap=True)
