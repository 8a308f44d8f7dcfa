"""`headcount …`: the commands, their options and their help."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from typer.exceptions import TyperException

from pipeline.errors import HeadcountError, HungError
from services import cli_deadletters, cli_models, cli_stack, cli_topics
from services.options import AsJson, DatabaseUrl, DataDir, DetectorName, settings_from, write_json

if TYPE_CHECKING:
    from services.run import RunOutcome

# The commands import what they need when they run: --help must not wait for the models' libraries (PLC0415).

_USAGE, _INTERRUPTED = 2, 130  # exit codes

app = typer.Typer(
    name="headcount",
    help="Turns cameras into demographic statistics: who came past, when, how long they stayed, of which apparent age and gender. "
    "No picture is kept.",
    epilog="Settings are variables HEADCOUNT_… or lines of a TOML file that HEADCOUNT_CONFIG names; see docs/settings.md.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(cli_topics.app, name="topics")
app.add_typer(cli_deadletters.app, name="deadletters")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_stack.app, name="stack")

_Sources = Annotated[
    list[str] | None, typer.Argument(metavar="SOURCE", help="Files, folders of videos or of pictures, rtsp:// or http:// addresses.")
]
_Names = Annotated[
    list[str] | None, typer.Option("--name", help="Name of the camera; once for each, in order (a folder of videos: each of them).")
]
_Fps = Annotated[float, typer.Option("--fps", min=0.01, max=60, help="Pictures per second of a folder of pictures.")]
_Start = Annotated[
    datetime | None,
    typer.Option("--start", help="Capture time of a recording's first frame, UTC; else what the file says, else when it was changed last."),
]
_Pace = Annotated[bool, typer.Option("--pace", help="Read recordings as slowly as they were made.")]
_Decode = Annotated[
    Literal["all", "gated", "keyframes"] | None,
    typer.Option("--decode", help="How much of the video is decoded from now on; else as before, a new camera as HEADCOUNT_DECODE says."),
]


@app.callback(invoke_without_command=True)
def headcount(context: typer.Context) -> None:
    """Show the help where no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog="Example: headcount run entrance.mp4 rtsp://user:password@10.0.0.7/stream --keep")
def run(  # noqa: PLR0913, PLR0917 - each is an option of the command
    sources: _Sources = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make a clip from a free photo, count it, and keep its rows.")] = False,
    name: _Names = None,
    fps: _Fps = 1.0,
    start: _Start = None,
    pace: _Pace = False,
    decode: _Decode = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep rows and positions in the data folder, not only for this run.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    detector: DetectorName = None,
    ray: Annotated[
        bool | None, typer.Option("--ray/--no-ray", help="Workers under Ray, one for each core; or one in this process (HEADCOUNT_RAY).")
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Say at the end where the workers' time went, by stage.")] = False,
    stack: Annotated[
        bool, typer.Option("--stack", help="Feed the stack that is up, and have its workers analyse (headcount stack up).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count the visits in videos and cameras, from source to database, and print them."""
    from services.demo_run import run_demo  # noqa: PLC0415
    from services.feed import FeedOptions  # noqa: PLC0415
    from services.run import RunOptions  # noqa: PLC0415
    from services.run import run as run_column  # noqa: PLC0415
    from services.stack.joined import at_stack  # noqa: PLC0415

    if stack and (detector or ray is not None or profile):
        raise typer.BadParameter("--stack takes no --detector, --ray or --profile: its workers were started with their own")
    if demo == bool(sources):
        raise typer.BadParameter("name a SOURCE, or give --demo, not both")
    if demo and (name or start or pace or decode or fps != 1.0):
        raise typer.BadParameter("--demo takes no --name, --fps, --start, --pace or --decode: its clip is made and counted as it is")
    settings = settings_from(data_dir=data_dir, database_url=database_url, detector=detector, ray=ray)
    joined = at_stack(settings) if stack else None
    settings = settings if joined is None else joined.settings
    kept = keep or demo or settings.database_url is not None or settings.kafka_bootstrap is not None
    options = RunOptions(kept=kept, profile=profile, require_workers=None if joined is None else joined.require_workers)
    console = Console(stderr=True, highlight=False)
    picture = None
    if demo:
        demonstration = run_demo(settings, console, options)
        outcome, picture = demonstration.run, demonstration.picture
    else:
        feed = FeedOptions(sources=sources or (), names=name or (), fps=fps, start=_utc(start), pace=pace, decode=decode)
        outcome = run_column(settings, feed, console, options)
    if as_json:
        write_json(outcome.report.document())
    elif outcome.report.totals.segments or not outcome.failures:
        console = Console(highlight=False)
        outcome.report.print(console)
    if outcome.report.totals.segments:
        _say_what_was_kept(outcome, console, sql_options=["--data-dir", str(data_dir)] if data_dir else [])
    if picture is not None:
        console.print(f"annotated picture: [bold]{escape(str(picture))}[/bold]", soft_wrap=True)
    raise typer.Exit(outcome.exit_code)


@app.command(epilog="Example: headcount ingest entrance.mp4 --pace")
def ingest(  # noqa: PLR0913, PLR0917 - each is an option of the command
    sources: _Sources = None,
    name: _Names = None,
    fps: _Fps = 1.0,
    start: _Start = None,
    pace: _Pace = False,
    decode: _Decode = None,
    listed: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Further sources, one a line: ADDRESS or NAME = ADDRESS; passwords stay out of sight."),
    ] = None,
    slot: Annotated[
        str | None,
        typer.Option("--slot", help="Logical place, where many write the log: an ingest that is started again in it goes on at once."),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Carry videos and cameras into the segment log, for workers to analyse."""
    from services.feed import FeedOptions  # noqa: PLC0415
    from services.ingest import ingest as carry  # noqa: PLC0415
    from services.source_list import read_sources  # noqa: PLC0415

    if not sources and listed is None:
        raise typer.BadParameter("name a SOURCE, or a file of them by --from")
    settings = settings_from(data_dir=data_dir, database_url=database_url)
    further = () if listed is None else read_sources(listed, lambda line: typer.echo(line, err=True))
    options = FeedOptions(
        sources=sources or (), names=name or (), listed=further, fps=fps, start=_utc(start), pace=pace, decode=decode, slot=slot
    )
    raise typer.Exit(carry(settings, options, Console(highlight=False)))


@app.command(epilog="Example: headcount worker --slot analysis-0")
def worker(  # noqa: PLR0913, PLR0917 - each is an option of the command
    slot: Annotated[
        str | None,
        typer.Option(
            "--slot", help="Logical place: a worker that is started again in its slot goes on at once. Default: host and process."
        ),
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="End when everything in the log is analysed.")] = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="Of a Ray cluster that this machine belongs to: workers run there, as many as the lag asks for; local: a new one.",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=1, max=65535, help="Serve /metrics there, on the loopback (HEADCOUNT_METRICS_PORT).")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    detector: DetectorName = None,
) -> None:
    """Analyse what is in the segment log, beside other workers, until it is stopped."""
    from services.worker import WorkOptions, work  # noqa: PLC0415

    settings = settings_from(data_dir=data_dir, database_url=database_url, detector=detector, metrics_port=metrics_port)
    work(settings, Console(stderr=True, highlight=False), WorkOptions(slot=slot, until_end=until_end, address=address))


@app.command(epilog="Example: headcount analyze group.jpg --out annotated.png")
def analyze(
    path: Annotated[str, typer.Argument(metavar="PICTURE_OR_VIDEO", help="A file.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Draw boxes and labels: a .png or .jpg of a picture, an .mp4 of a video.")
    ] = None,
    data_dir: DataDir = None,
    detector: DetectorName = None,
    as_json: AsJson = False,
) -> None:
    """Find the faces of one picture or follow those of one video, without a database."""
    from services.analyze import analyze as look  # noqa: PLC0415

    settings = settings_from(data_dir=data_dir, detector=detector)
    document = look(path, out, settings, Console(stderr=as_json, highlight=False))
    if as_json:
        write_json(document)


@app.command(epilog="Example: headcount status --minutes 30")
def status(
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=60, help="Minutes of the cameras' own time to look at, up to the newest with coverage.")
    ] = 10,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show who works on which partition, the lag, the cameras' last minutes, and what was not used."""
    from services.stack.joined import with_stack  # noqa: PLC0415
    from services.status import look  # noqa: PLC0415
    from services.status_tables import print_status  # noqa: PLC0415

    settings = with_stack(settings_from(data_dir=data_dir, database_url=database_url))
    found = look(settings, Console(stderr=True, highlight=False).print, minutes=minutes)
    if as_json:
        write_json(found.document())
    else:
        print_status(found, Console(highlight=False))


@app.command(epilog='Example: headcount sql -- --command "SELECT * FROM visits"')
def sql(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- PSQL…]", help="Arguments for psql.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Open a SQL shell on the kept rows; starts the embedded database where it is not running."""
    from services.sql import shell  # noqa: PLC0415

    settings = settings_from(data_dir=data_dir, database_url=database_url)
    raise typer.Exit(shell(settings, arguments or [], Console(stderr=True, highlight=False).print))


@app.command(epilog="Example: headcount doctor")
def doctor(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Say what is there and what is missing on this machine."""
    from services.doctor import examine  # noqa: PLC0415

    settings = settings_from(data_dir=data_dir, database_url=database_url)
    raise typer.Exit(examine(settings, Console(highlight=False)))


def main() -> None:
    """Run the command line; a known error is one line on stderr, with its exit code."""
    try:
        code = app(standalone_mode=False)
        if code != _INTERRUPTED:  # Typer makes it of a KeyboardInterrupt, without a word
            sys.exit(code)
        complaint = "interrupted"
    except HungError as error:
        _end_at_once(error)
    except HeadcountError as error:
        complaint, code = str(error), error.exit_code
    except TyperException as error:
        complaint, code = error.format_message().rstrip(".") + ("; see --help" if error.exit_code == _USAGE else ""), error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        complaint, code = "interrupted", _INTERRUPTED
    sys.stderr.write(f"headcount: {complaint}\n")
    sys.exit(code)


def _end_at_once(error: HungError) -> NoReturn:
    """Say why, and end the process; `sys.exit` would wait for the thread that hangs."""
    complaint, first = str(error), error.__context__  # what the lanes were stopped for
    if isinstance(first, HeadcountError):
        complaint = f"{first}; besides, {error}"
    elif first is not None:  # a bug
        traceback.print_exception(first)
    sys.stderr.write(f"headcount: {complaint}\n")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(error.exit_code)


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant


def _say_what_was_kept(outcome: RunOutcome, console: Console, *, sql_options: list[str]) -> None:
    if outcome.interrupted:
        console.print("interrupted: what was committed is counted above" + (", the rest goes on next time" if outcome.report.kept else ""))
    if outcome.report.kept:
        command = shlex.join([_program(), "sql", *sql_options])
        console.print(f"the rows are kept; open a SQL shell on them: [bold]{escape(command)}[/bold]", soft_wrap=True)
    else:
        console.print("the rows are gone with this run; --keep keeps them")


def _program() -> str:
    """Return the command as this user can type it: the environment's folder may not be on the path."""
    name = Path(sys.argv[0])
    return name.name if shutil.which(name.name) else os.path.relpath(name)
