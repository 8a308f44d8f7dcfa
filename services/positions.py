"""Shows the committed positions to tools that know consumer groups only: they are written to one, every 15 seconds."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.lag_group import publish
from pipeline.adapters.postgres.logs import positions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.wiring import Column

_log = structlog.get_logger()

_EVERY_S = 15.0


@contextmanager
def showing_positions(column: Column) -> Iterator[None]:
    """Write the positions of a column to the group of the settings while the block runs; does nothing for the embedded log."""
    if column.settings.kafka_bootstrap is None:
        yield
        return
    over = threading.Event()
    keep = partial(keep_showing, partial(_show, column), over.wait)
    thread = threading.Thread(target=keep, name="show-positions", daemon=True)  # it may hang on the brokers: it is not waited for
    thread.start()
    try:
        yield
    finally:
        over.set()


def keep_showing(show: Callable[[], None], wait: Callable[[float], bool]) -> None:
    """Show the positions until `wait`, given seconds to pass, says that it is over; what fails is said once, and tried again."""
    failing = False
    while True:
        try:
            show()
        except Exception as error:  # noqa: BLE001 - others' tools go without for a while; the work does not depend on it
            if not failing:
                _log.warning("positions_not_shown", error=str(error) or type(error).__name__)
            failing = True
        else:
            if failing:
                _log.warning("positions_shown_again")
            failing = False
        if wait(_EVERY_S):
            return


def _show(column: Column) -> None:
    settings = column.settings
    positions = positions_of(column.database, column.log_id)
    publish(cluster_of(settings), settings.kafka_lag_group, settings.kafka_topic, positions)
