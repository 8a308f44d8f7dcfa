"""The tables of `headcount status`, for people; imports the status and rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from pipeline.adapters.postgres.status import Holding
from services.status import is_careful

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from pipeline.adapters.postgres.status import CameraStatus, ColumnStatus, PartitionStatus, WorkerStatus
    from services.status import End, Status

_BARS = " ▁▂▃▄▅▆▇█"
_UNOBSERVED = "·"
_NUMBERS = frozenset({"#", "position", "end", "lag", "waits", "holds", "observed"})
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def print_status(status: Status, console: Console) -> None:
    """Print the tables, or that there is nothing yet."""
    column = status.column
    if column is None or not (column.cameras or column.partitions):
        nothing = f"nothing is kept in {status.place} yet: `headcount run --keep` or `headcount ingest` begins it"
        console.print(nothing, markup=False, soft_wrap=True)
        return
    console.print(_partition_table(column, status.ends or {}))
    if status.ends is None:
        console.print("the log is not on this machine: where it ends, and the lag, are not known here", style="yellow", soft_wrap=True)
    console.print(_worker_table(column.workers) if column.workers else "no worker has shown itself within the last hour")
    shown = f"{column.since:%Y-%m-%d %H:%M} to {column.until:%H:%M} UTC"
    console.print(_camera_table(column.cameras, shown))
    for title, reasons in (("seen and not used", column.rejected), ("set aside, dead letters", column.dead_letters)):
        counts = ", ".join(f"{escape(reason)} {n}" for reason, n in reasons.items())
        console.print(f"[bold]{title}[/bold], {shown}: {counts or 'none'}", soft_wrap=True)


def _partition_table(column: ColumnStatus, ends: Mapping[int, End]) -> Table:
    table = _table(f"partitions of {column.log_uid}", "#", "holder", "process", "position", "end", "lag", "waits", "deaths")
    for partitions in _folded(column, ends):
        first, alone = partitions[0], len(partitions) == 1
        table.add_row(
            ranges_text([partition.partition for partition in partitions]),
            _holder_text(first),
            "-" if first.pid is None else f"{escape(first.node or '')} {first.pid}",
            *((str(first.position), *_lag_cells(ends.get(first.partition))) if alone else ("-", "-", "0", "-")),
            _deaths_text(first),
        )
    return table


def _folded(column: ColumnStatus, ends: Mapping[int, End]) -> Iterable[Sequence[PartitionStatus]]:
    """Return what is a line: a partition, or all those of one holder that have no camera and in which nothing is to do."""
    with_camera = {camera.partition for camera in column.cameras}
    lines: dict[tuple[object, ...], list[PartitionStatus]] = {}
    for partition in column.partitions:
        end = ends.get(partition.partition)
        is_idle = end is not None and not end.lag.records and not partition.crashes and partition.partition not in with_camera
        holder = (partition.holding, partition.slot, partition.node, partition.pid)
        lines.setdefault(holder if is_idle else (partition.partition,), []).append(partition)
    return lines.values()


def ranges_text(numbers: Sequence[int]) -> str:
    """Return rising numbers as "0, 2-31, 40"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, each)) for each in ranges)


def _lag_cells(end: End | None) -> tuple[str, str, str]:
    """Return where the partition ends, how many records are behind, and how long the oldest of them waits."""
    if end is None:
        return "?", "?", "?"
    return str(end.offset), str(end.lag.records), duration_text(end.lag.seconds) if end.lag.records else "-"


def _holder_text(partition: PartitionStatus) -> str:
    if partition.slot is None:
        return "nobody" if partition.holding is Holding.FREE else "[red]a worker that is gone[/red]"
    return escape(partition.slot) + (" [red]overdue[/red]" if partition.holding is Holding.OVERDUE else "")


def _deaths_text(partition: PartitionStatus) -> str:
    if not partition.crashes:
        return "-"
    careful = ", careful" if is_careful(partition) else ""
    suspect = "" if partition.suspect_offset is None else f", at {partition.suspect_offset}: {partition.suspect_count}"
    return f"[red]{partition.crashes}{careful}{suspect}[/red]"


def _worker_table(workers: Sequence[WorkerStatus]) -> Table:
    table = _table("workers", "slot", "process", "last sign of life", "holds")
    for worker in workers:
        seen = f"{duration_text(worker.seen_s)} ago"
        process = f"{escape(worker.node)} {worker.pid}"
        table.add_row(escape(worker.slot), process, seen if worker.alive else f"[red]{seen}, overdue[/red]", str(worker.partitions))
    return table


def _camera_table(cameras: Sequence[CameraStatus], shown: str) -> Table:
    table = _table(f"cameras, minute by minute, {shown}", "camera", "#", "fed", "observed", "by minute", "last minute")
    for camera in cameras:
        table.add_row(
            escape(camera.name),
            str(camera.partition),
            "-" if camera.fed_s is None else f"{duration_text(camera.fed_s)} ago",
            f"{sum(camera.seconds)} of {_MINUTE_S * len(camera.seconds)} s",
            bar(camera.seconds),
            "never" if camera.last_minute is None else f"{camera.last_minute:%Y-%m-%d %H:%M}",
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    return table


def bar(seconds: Sequence[int]) -> str:
    """Return a character a minute: how much of it was observed, a dot where nothing was."""
    return "".join(_BARS[-(-s * (len(_BARS) - 1) // _MINUTE_S)] if s else _UNOBSERVED for s in seconds)


def duration_text(seconds: float) -> str:
    """Return "0.4 s", "12 s", "3 min 20 s", "2 h 5 min" or "3 d 4 h"."""
    whole = max(0, round(seconds))
    if whole >= _DAY_S:
        return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"
    if whole >= _HOUR_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    if whole >= _MINUTE_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{max(0.0, seconds):.1f} s" if whole < 10 else f"{whole} s"  # noqa: PLR2004 - more digits tell nothing
