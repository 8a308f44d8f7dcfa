"""Ends what a supervisor that was killed has left behind, by what it had written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.stack.child import end_session
from services.stack.processes import TICKS_PER_S, boot
from services.stack.state import POSTGRES

if TYPE_CHECKING:
    from services.stack.state import StackState

_SLACK_TICKS = 5 * TICKS_PER_S  # the state is written about once a second
_GOOD_ORDER_S = 30.0


def end_leftovers(state: StackState | None) -> list[str]:
    """End the processes of a supervisor that is gone, in the reverse of their order; return the names of the parts that lived.

    The kernel has told them to end when the supervisor died: they are given the time to do so. The embedded PostgreSQL is left
    running: whoever uses it next joins it, and the last one stops it.
    """
    if state is None or state.boot != boot():
        return []
    lived = []
    for part in reversed(state.parts):
        if part.process is None or part.name == POSTGRES:
            continue
        if end_session(part.process, state.written_ticks + _SLACK_TICKS, in_good_order_s=_GOOD_ORDER_S):
            lived.append(part.name)
    return lived
