"""How far the work on a partition is behind its log; imports ports, types and errors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.errors import OffsetOutOfRangeError
from pipeline.types import Lag, from_us

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline.ports import SegmentLog

_NONE = Lag(records=0, seconds=0.0)


def lag_of(log: SegmentLog, partition: int, position: int, now: datetime) -> Lag:
    """Return how far a position is behind the end of its partition; reads one record where it is.

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
    latest = log.latest(partition)
    first = max(position, log.earliest(partition))
    if first >= latest:
        return _NONE
    try:
        oldest = next(iter(log.read(partition, first, max_bytes=1, timeout_s=0.0)), None)
    except OffsetOutOfRangeError as error:  # retention was faster than we
        return lag_of(log, partition, error.earliest, now) if first < error.earliest else _NONE
    if oldest is None:
        return _NONE
    waited = timedelta(0) if oldest.appended_us is None else now - from_us(oldest.appended_us)
    return Lag(records=latest - oldest.offset, seconds=max(0.0, waited.total_seconds()))
