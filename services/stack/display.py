"""Shows a stack that comes up or goes down: a table that moves on a terminal, else a line at each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from services.stack.tables import progress_table

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.ports import Clock
    from services.stack.state import StackState


class Display:
    """Used as a context: what moves is gone from the terminal when it ends."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._live = Live(Text("…"), console=console, transient=True) if console.is_terminal else None
        self._spinners: dict[str, Spinner] = {}
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, state: StackState) -> None:
        """Show the state as it is now."""
        if self._live is not None:
            for part in state.parts:
                self._spinners.setdefault(part.name, Spinner("dots", style="cyan"))
            self._live.update(progress_table(state, self._clock.now(), self._spinners))
            return
        for part in state.parts:
            words = f"{part.name}: {part.state.value}" + (f", {part.doing}" if part.doing else "")
            if words != self._said.setdefault(part.name, f"{part.name}: waiting"):
                self._said[part.name] = words
                self._console.print(words, markup=False, highlight=False, soft_wrap=True)
