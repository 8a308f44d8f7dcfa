"""`headcount models …`: its commands, their options and their help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.options import AsJson, settings_from, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.models import VersionStatus

app = typer.Typer(help="See and change which models Triton serves; docs/triton.md.", no_args_is_help=True)

TritonUrl = Annotated[
    str | None, typer.Option("--triton-url", help="HOST:PORT of Triton's gRPC (HEADCOUNT_TRITON_URL); none: that of headcount stack.")
]


@app.command("list", epilog="Example: headcount models list")
def list_(triton_url: TritonUrl = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag of the command
    """Show the versions that Triton knows of, and test those that it serves; exit with 1 where one cannot judge."""
    from services import models  # noqa: PLC0415 - --help must not wait for gRPC
    from services.brain import connect_triton  # noqa: PLC0415 - as above

    settings = settings_from(triton_url=triton_url)
    found = models.versions(connect_triton(settings), settings)
    if as_json:
        write_json({"versions": [each.document() for each in found]})
    else:
        Console(highlight=False).print(_table(found))
    raise typer.Exit(int(any(each.served and each.trouble for each in found)))


@app.command(epilog="Example: headcount models load face_attributes")
def load(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model in Triton's repository.")],
    triton_url: TritonUrl = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command
) -> None:
    """Load the newest version of a model and test it; the one before serves until it has passed, and goes on where it does not."""
    from services import models  # noqa: PLC0415 - --help must not wait for gRPC
    from services.brain import connect_triton  # noqa: PLC0415 - as above

    settings = settings_from(triton_url=triton_url)
    done = models.load(connect_triton(settings), name, settings)
    if as_json:
        write_json(done.document())
        return
    before = "nothing was served before" if not done.before else f"before it {done.before}"
    text = (
        f"no version is newer: {done.now} of {name} serves" if done.before == done.now else f"version {done.now} of {name} serves, {before}"
    )
    Console(highlight=False).print(escape(text), soft_wrap=True)


def _table(found: Sequence[VersionStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("model", "version", "state", "one crop"):
        table.add_column(name, no_wrap=True)
    table.add_column("test", overflow="fold")
    for each in found:
        answer = "-" if each.latency_s is None else f"{each.latency_s * 1000:.1f} ms"
        test = escape(each.trouble) if each.trouble else "-" if not each.served else "golden picture" if each.golden else "a distribution"
        style = None if not each.served else "red" if each.trouble else "green"
        table.add_row(escape(each.model), each.version or "-", each.state.lower() or "-", answer, test, style=style)
    return table
