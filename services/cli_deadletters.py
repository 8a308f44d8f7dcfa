"""`headcount deadletters …`: its commands, their options and their help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.options import AsJson, DatabaseUrl, DataDir, settings_from, write_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from services.deadletters import Desk

# The commands import what they need when they run: --help must not wait for the database's client (PLC0415).

app = typer.Typer(help="Look at the records that could not be used; docs/operations.md.", no_args_is_help=True)

_Partition = Annotated[int, typer.Argument(metavar="PARTITION", min=0, help="Of the log.")]
_Offset = Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="In the partition.")]
_Out = Annotated[Path, typer.Option("--out", help="A new file; only you will be able to read it.")]
_Log = Annotated[int | None, typer.Option("--log", help="Number of an earlier log, as `list` names it; else the present one.")]


@app.command("list", epilog="Example: headcount deadletters list --reason checksum")
def list_letters(  # noqa: PLR0913, PLR0917 - each is an option of the command
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="List at most so many.")] = 20,
    camera: Annotated[str | None, typer.Option("--camera", help="Only of this camera: its name or id.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only those that were set aside for this.")] = None,
    log: _Log = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command
) -> None:
    """Count what was set aside by reason, and list the newest."""
    from pipeline.adapters.postgres.deadletters import Which  # noqa: PLC0415
    from services.deadletter_tables import print_listing  # noqa: PLC0415

    with _desk(data_dir, database_url) as desk:
        listing = desk.newest(Which(camera=camera, reason=reason), limit, log)
    if as_json:
        write_json(listing.document())
    else:
        print_listing(listing, Console(highlight=False))


@app.command(epilog="Example: headcount deadletters show 3 4711")
def show(partition: _Partition, offset: _Offset, log: _Log = None, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Show all that is known of one of them: its reason, its headers, and whether its bytes are still there."""
    from services.deadletter_tables import print_found  # noqa: PLC0415
    from services.deadletters import Place  # noqa: PLC0415

    with _desk(data_dir, database_url) as desk:
        found = desk.show(Place(partition=partition, offset=offset, log_id=log))
    print_found(found, Console(highlight=False))


@app.command(epilog="Example: headcount deadletters extract 3 4711 --out bad.mkv")
def extract(
    partition: _Partition,
    offset: _Offset,
    out: _Out,
    log: _Log = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the video of one of them into a file, while it is there."""
    from services.deadletter_tables import print_extracted  # noqa: PLC0415
    from services.deadletters import Place  # noqa: PLC0415

    with _desk(data_dir, database_url) as desk:
        found = desk.extract(Place(partition=partition, offset=offset, log_id=log), out)
    print_extracted(found, out, Console(highlight=False))


def _desk(data_dir: Path | None, database_url: str | None) -> AbstractContextManager[Desk]:
    from services.deadletters import open_desk  # noqa: PLC0415 - as above
    from services.stack.joined import with_stack  # noqa: PLC0415

    return open_desk(with_stack(settings_from(data_dir=data_dir, database_url=database_url)), Console(stderr=True, highlight=False).print)
