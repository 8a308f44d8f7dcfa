"""Where the time of a run went, as a table for `--profile`; imports the stages' names and rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from pipeline.metrics import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

_BAR_CHARACTERS = 24


def profile_table(seconds: Mapping[str, float], elapsed_s: float, threads: int) -> Table:
    """Return a table of time and share by stage, in the order in which a record passes them, and of what was waiting.

    Args:
        seconds: Of each stage, over all threads and processes; what is missing took no time.
        elapsed_s: How long the threads had.
        threads: How many worked side by side; what they do not spend in a stage is waiting, for records and for a core.
    """
    there_was = max(elapsed_s * threads, sum(seconds.values()))
    title = f"where the time went: {elapsed_s:.1f} s x {threads} lane{'' if threads == 1 else 's'}"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    for name in ("stage", "seconds", "share", ""):
        table.add_column(name, justify="right" if name in {"seconds", "share"} else "left")
    spent = {stage.value: seconds.get(stage.value, 0.0) for stage in Stage}
    for name, stage_s in (spent | {"waiting": there_was - sum(spent.values())}).items():
        share = stage_s / there_was if there_was else 0.0
        table.add_row(name, f"{stage_s:.2f}", f"{share:.1%}", "█" * round(_BAR_CHARACTERS * share))
    table.add_section()
    table.add_row("all", f"{there_was:.2f}", "100%", "")
    return table
