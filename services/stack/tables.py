"""What `headcount stack` shows: a table of the parts; imports the state and rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.stack.part import PartState
from services.status_tables import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.console import RenderableType
    from rich.spinner import Spinner

    from services.stack.state import PartStatus, StackState

_STYLES: Mapping[PartState, str] = {
    PartState.WAITING: "dim",
    PartState.PREPARING: "cyan",
    PartState.STARTING: "cyan",
    PartState.HEALTHY: "green",
    PartState.ILL: "red",
    PartState.RESTARTING: "yellow",
    PartState.FINISHED: "green",
    PartState.STOPPED: "dim",
}
_BUSY = frozenset({PartState.PREPARING, PartState.STARTING})
_NUMBERS = frozenset({"restarts", "memory", "cores", "pid"})
_MIB = 2**20


def status_table(state: StackState, now: datetime) -> Table:
    """Return what each part does, since when, and what it uses."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("part", "state", "since", "restarts", "memory", "cores", "pid"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    table.add_column("where", overflow="fold")  # where the terminal is narrow: whole, on two lines
    for part in state.parts:
        table.add_row(
            escape(part.name),
            Text(part.state.value, style=_STYLES[part.state]),
            "-" if part.started_at is None else duration_text((now - part.started_at).total_seconds()),
            str(part.restarts) if part.own else "-",
            f"{part.memory_bytes / _MIB:.0f} MiB" if part.memory_bytes else "-",
            f"{part.cpu:.2f}" if part.process is not None else "-",
            "-" if part.process is None else str(part.process.pid),
            escape(part.address or "-") + ("" if part.own else " [dim](your own)[/dim]"),
        )
    return table


def troubles(state: StackState) -> list[str]:
    """Return what the parts that are not well, or were not, say of it."""
    return [f"{part.name}: {part.error}" for part in state.parts if part.error]


def progress_table(state: StackState, now: datetime, spinners: Mapping[str, Spinner]) -> Table:
    """Return what the parts are busy with while the stack comes up or goes down."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for part in state.parts:
        table.add_row(_sign(part, spinners), escape(part.name), Text(part.state.value, style=_STYLES[part.state]), _doing(part, now))
    return table


def _sign(part: PartStatus, spinners: Mapping[str, Spinner]) -> RenderableType:
    if part.is_well:
        return Text("✓", style="green")
    if part.state in _BUSY or part.doing:
        return spinners[part.name]
    return Text("!" if part.error else "·", style="yellow" if part.error else "dim")


def _doing(part: PartStatus, now: datetime) -> Text:
    if part.is_well:
        return Text(part.address, style="dim")
    since = "" if part.started_at is None else f" ({duration_text((now - part.started_at).total_seconds())})"
    return Text((part.doing or part.error) + since, style="dim", overflow="ellipsis", no_wrap=True)
