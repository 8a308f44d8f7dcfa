"""Closes what is open of logs that a column's log has replaced, beside the work on it: nobody may have lived when that happened."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from pipeline.adapters.postgres.claims import PostgresClaims
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import known_ends, unclosed_predecessors
from pipeline.closing import close_log
from pipeline.errors import HeadcountError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.adapters.postgres.claims import Incarnation
    from pipeline.adapters.postgres.database import Database
    from pipeline.engine import Engine

_log = structlog.get_logger()

_EVERY_S = 5.0  # a worker that still holds a partition of such a log closes it itself, or dies


@dataclass(frozen=True, slots=True, kw_only=True)
class Heir:
    """A worker that closes the logs before its own."""

    database: Database
    incarnation: Incarnation
    engine: Engine
    ttl_s: float

    def close_all(self) -> bool:
        """Close what nobody holds; say whether nothing is left.

        Raises:
            HeadcountError: Try again.
        """
        left = unclosed_predecessors(self.database, self.incarnation.log_id)
        for log_id in left:
            ends = known_ends(self.database, log_id)
            claims = PostgresClaims(self.database, replace(self.incarnation, log_id=log_id), ttl_s=self.ttl_s)
            facts = PostgresFacts(self.database, log_id=log_id, worker_id=self.incarnation.worker_id)
            close_log(claims, facts, self.engine, ends)
        return not left


@contextmanager
def closing_predecessors(heir: Heir) -> Iterator[None]:
    """Close the logs before a worker's own in a thread of its own while the block runs, until nothing is left of them."""
    over = threading.Event()
    thread = threading.Thread(target=_close, args=(heir, over), name="close-predecessors", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _close(heir: Heir, over: threading.Event) -> None:
    told = False
    while True:
        try:
            if heir.close_all():
                return
        except HeadcountError as error:
            if not told:
                _log.warning("closing_fails", error=str(error))
            told = True
        except Exception:  # noqa: BLE001 - a bug here must not end the work on the log that lives
            _log.exception("closing_failed")
            return
        if over.wait(_EVERY_S):
            return
