"""What the supervisor knows of a part of the stack; imports nothing of ours."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.stack.processes import Identity

Say: TypeAlias = "Callable[[str], None]"


class PartState(StrEnum):
    """Where a part is on its way."""

    WAITING = "waiting"  # for the parts that it needs
    PREPARING = "preparing"  # it is fetched, or its files are made
    STARTING = "starting"  # it runs, and has not yet answered
    HEALTHY = "healthy"
    ILL = "ill"  # it runs, and does not answer any more
    RESTARTING = "restarting"  # it has ended, and is started again after a pause
    FINISHED = "finished"  # it has done all that there was to do
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process ended."""

    code: int  # negative: the signal that killed it

    def __str__(self) -> str:
        return f"ended with code {self.code}" if self.code >= 0 else f"was killed by {signal.Signals(-self.code).name}"


class Runner(Protocol):
    """Runs a part's process, one after the other. Used by the supervisor's main thread only."""

    def start(self) -> None:
        """Start the process; `OSError` where that cannot be."""

    def identity(self) -> Identity | None:
        """Return the process that runs; None: none does."""

    def poll(self) -> Exit | None:
        """Return how the process ended, once all that it had started is gone too; None: it runs."""

    def terminate(self) -> None:
        """Ask the process to end in good order."""

    def kill(self) -> None:
        """End the process and all that it has started, at once; return when they are gone."""


def nothing(_: Say) -> None:
    """Do nothing: of a part that needs no preparation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the stack's parts.

    `prepare`, `check` and `settle` run in a thread of their own; they may take their time, and raise `HeadcountError`.
    """

    name: str
    check: Callable[[], None]  # asks the part something real; raises where it does not answer
    needs: tuple[str, ...] = ()  # the parts that must be healthy before it is started
    runner: Runner | None = None  # None: somebody else runs it
    prepare: Callable[[Say], None] = nothing  # before each start
    settle: Callable[[Say], None] = nothing  # once, when it has answered for the first time
    last_words: Callable[[], str] = str  # the end of its log, to say why it ended
    address: str = ""  # where it listens, for people
    grace_s: float = 120.0  # from its start to its first answer
    stop_s: float = 20.0  # from being asked to end to being ended
    may_finish: bool = False  # it ends by itself when it has done everything
