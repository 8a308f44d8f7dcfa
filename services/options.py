"""The options that several commands share, and what every command does with its settings and its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept (HEADCOUNT_DATA_DIR).")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", help="Your own PostgreSQL; the variable HEADCOUNT_DATABASE_URL keeps a password out of sight."),
]
DetectorName = Annotated[str | None, typer.Option("--detector", help="auto, yunet, mtcnn or haar (HEADCOUNT_DETECTOR).")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, and nothing else there.")]


def settings_from(**overrides: Any) -> Settings:  # noqa: ANN401 - each override is validated by its field
    """Read the settings and log as they say; overrides that are None count as not given.

    Raises:
        ConfigurationError: A name is unknown or a value cannot be used.
    """
    from services.logs import configure  # noqa: PLC0415 - --help must not wait for what the commands import

    settings = load_settings(**overrides)
    configure(settings)
    return settings


def write_json(document: dict[str, Any]) -> None:
    """Write a document to stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
