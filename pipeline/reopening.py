"""Does something with the log again, from its opening on, each time it was made anew; imports errors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from pipeline.errors import LogReplacedError, TransientError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_log = structlog.get_logger()

_PAUSE_S = 1.0  # between openings, should they follow each other


def reopening(work: Callable[[], None], stop: threading.Event, notice: Callable[[str], None]) -> None:
    """Do the work, and again where the log was replaced meanwhile, until it ends otherwise.

    Brokers that have just made a topic anew may not be ready for it: what is away at another opening is waited for.

    Args:
        work: Opens the log, works with it and closes it.
        stop: Ends the work; then there is no other round.
        notice: Told, in a line, that there is another round.

    Raises:
        LogReplacedError: It was to stop anyway.
        TransientError: The first opening failed, or it was to stop anyway.
    """
    again, waiting = False, False
    while True:
        try:
            work()
        except LogReplacedError as error:
            if stop.is_set():
                raise
            _log.warning("log_replaced", error=str(error))
            notice("the segment log was made anew: what was open in the old one is stored, and the new one is opened")
            again, waiting = True, False
        except TransientError as error:
            if stop.is_set() or not again:
                raise
            if not waiting:
                _log.warning("waiting", error=str(error))
                notice(f"the new log waits: {error}")
            waiting = True
        else:
            return
        stop.wait(_PAUSE_S)
