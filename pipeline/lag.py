"""How far the work on a partition is behind its log; imports ports, types and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.types import Lag, from_us

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.ports import SegmentLog

_NONE = Lag(records=0, seconds=0.0)


def lag_of(log: SegmentLog, partition: int, position: int, now: datetime) -> Lag:
    """Return how far a position is behind the end of its partition.

    What retention has taken is not waited for: the oldest record that is still there counts. Neither is a hole at the end, nor
    a log that is shorter than the position.

    Args:
        log: A reader is enough.
        partition: Of the log.
        position: The next offset that is not analysed and stored.
        now: By the clock that stamps the log's records, timezone-aware.

    Raises:
        LogUnavailableError: The log cannot be read for now.
    """
    there = log.offsets(partition)
    first = max(position, there.start)
    appended_us = log.appended_us(partition, first) if first < there.stop else None
    if appended_us is None:
        return _NONE
    return Lag(records=there.stop - first, seconds=max(0.0, (now - from_us(appended_us)).total_seconds()))
