"""`headcount stack …`: the commands of the local stack, their options and their help."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from services.options import AsJson, DatabaseUrl, DataDir, settings_from, write_json

if TYPE_CHECKING:
    from services.stack.state import StackState

app = typer.Typer(help="Kafka, Triton, PostgreSQL, workers and ingest as local processes under one supervisor.", no_args_is_help=True)

_CRASHED = "its supervisor was killed: headcount stack up begins anew, headcount stack down ends what is left"

_SourcesFile = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Further SOURCEs, one a line; passwords in it stay out of the list of processes."),
]


@app.command(epilog="Example: headcount stack up --from cameras.txt")
def up(
    sources: Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help="What the stack's ingest feeds; none: it has none.")] = None,
    from_file: _SourcesFile = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, for service managers and containers; SIGTERM ends it.")] = False,  # noqa: FBT002 - a flag
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Start everything and wait until it is healthy; cameras that are away are tried again and not waited for."""
    from services.stack.foreground import keep  # noqa: PLC0415 - --help must not wait for what the commands import
    from services.stack.sources import listed  # noqa: PLC0415 - as above
    from services.stack.up import bring_up  # noqa: PLC0415 - as above

    settings = settings_from(data_dir=data_dir, database_url=database_url)
    wanted = listed(sources or (), from_file, _notice)
    if foreground:
        keep(settings, wanted, _notice)
        return
    console = Console(highlight=False)
    started = bring_up(settings, wanted, console)
    if started.before:
        console.print("the stack is up already")
    _print_status(started.state, console)
    if not started.state.is_well:
        console.print(
            "the stack is up, but nothing is fed; ingest is started again until a camera is there", style="yellow", soft_wrap=True
        )
    if not started.before:
        _print_advice(data_dir, console, has_sources=bool(wanted))


@app.command(epilog="Example: headcount stack status --json")
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag of the command
    """Show how each part does; exit with 1 where the stack is not up or a part is not well."""
    from services.stack.state import StackFolder  # noqa: PLC0415 - as above

    settings = settings_from(data_dir=data_dir)
    folder = StackFolder(settings.data_dir)
    state = folder.living()
    is_up = state is not None
    if not is_up and (left := folder.read()) is not None:
        state = left.after_crash()
    if as_json:
        write_json({"up": False, "pid": None, "parts": []} if state is None else state.document(up=is_up))
    elif state is None:
        Console(highlight=False).print(f"no stack is up in {settings.data_dir}: headcount stack up", markup=False, soft_wrap=True)
    else:
        _print_status(state, Console(highlight=False))
    if state is not None and not is_up and not as_json:
        Console(highlight=False).print(_CRASHED, style="red", soft_wrap=True)
    raise typer.Exit(0 if state is not None and is_up and state.is_well else 1)


@app.command(epilog="Example: headcount stack logs worker --follow")
def logs(
    part: Annotated[str, typer.Argument(metavar="[PART]", help="postgres, kafka, triton, worker, ingest or supervisor.")] = "supervisor",
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="So many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,  # noqa: FBT002 - as above
    data_dir: DataDir = None,
) -> None:
    """Show what a part has written last."""
    from services.stack.logs import show  # noqa: PLC0415 - as above

    show(settings_from(data_dir=data_dir).data_dir, part, lines=lines, follow=follow)


@app.command(epilog="Example: headcount stack down")
def down(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """End everything in the reverse order, also what a supervisor that was killed has left; rows and segments stay."""
    from services.stack.down import take_down  # noqa: PLC0415 - as above

    settings = settings_from(data_dir=data_dir, database_url=database_url)
    console = Console(highlight=False)
    ended = take_down(settings, console, lambda line: console.print(line, markup=False, soft_wrap=True))
    console.print("the stack is down" if ended else f"no stack is up in {escape(str(settings.data_dir))}", soft_wrap=True)


def _print_status(state: StackState, console: Console) -> None:
    from services.stack.tables import status_table, troubles  # noqa: PLC0415 - as above

    console.print(status_table(state, datetime.now(UTC)))
    for source in state.sources:
        console.print(f"fed: {source}", markup=False, soft_wrap=True)
    for line in troubles(state):
        console.print(line, style="yellow", markup=False, soft_wrap=True)


def _print_advice(data_dir: Path | None, console: Console, *, has_sources: bool) -> None:
    """Say what can be done next."""
    option = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    steps = [] if has_sources else [(f"run --stack{option} SOURCE...", "count videos or cameras in it")]
    steps += [
        (f"status{option}", "how the work does: partitions, workers, cameras"),
        (f"stack logs{option} worker", "what a part has written"),
        (f"stack down{option}", "end everything; rows and segments stay"),
    ]
    width = max(len(command) for command, _ in steps)
    for command, meaning in steps:
        console.print(f"  [bold]headcount {escape(command):<{width}}[/bold]  [dim]{meaning}[/dim]", soft_wrap=True)


def _notice(line: str) -> None:
    """Print a line with its time, for a log; where nobody reads it any more, or the disk is full, the stack goes on."""
    with suppress(OSError):
        sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")
        sys.stderr.flush()
