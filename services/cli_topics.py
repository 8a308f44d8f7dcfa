"""`headcount topics …`: its commands, their options and their help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from services.options import AsJson, DataDir, settings_from, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings
    from services.topics import TopicsOutcome

app = typer.Typer(help="Make and verify Kafka's topics, as the settings HEADCOUNT_KAFKA_… want them; docs/kafka.md.", no_args_is_help=True)


@app.command(epilog="Example: headcount topics apply")
def apply(data_dir: DataDir = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag of the command
    """Make the topics that are missing and change what differs; never remove a partition or a record."""
    from services import topics  # noqa: PLC0415 - --help must not wait for Kafka's client

    _end(topics.apply_topics(_settings(data_dir)), as_json=as_json)


@app.command(epilog="Example: headcount topics check")
def check(data_dir: DataDir = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag of the command
    """Compare the topics with the settings; exit with 1 where something differs."""
    from services import topics  # noqa: PLC0415 - as above

    _end(topics.check_topics(_settings(data_dir)), as_json=as_json)


def _settings(data_dir: Path | None) -> Settings:
    """Return the settings; where no brokers are named, those of the stack that is up."""
    from services.stack.joined import with_stack  # noqa: PLC0415 - as above

    return with_stack(settings_from(data_dir=data_dir))


def _end(outcome: TopicsOutcome, *, as_json: bool) -> None:
    if as_json:
        write_json(outcome.document())
    else:
        outcome.print(Console(highlight=False))
    raise typer.Exit(outcome.exit_code)
