"""Dead letters of the embedded log: it keeps their bytes itself, as long as all others; imports types and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import OffsetOutOfRangeError

if TYPE_CHECKING:
    from pipeline.adapters.locallog.log import LocalLog
    from pipeline.types import Record, StoredRecord


class LocalShelf:
    """Implements `pipeline.ports.DeadLetterShelf` for a log on this machine.

    Args:
        log: That was read.
    """

    def __init__(self, log: LocalLog) -> None:
        self._log = log

    def keep(self, stored: StoredRecord, reason: str) -> None:
        """Do nothing: what lies in the log need not be copied."""

    def find(self, partition: int, offset: int) -> Record | None:
        """Return the record at a place, while retention lets it (see `pipeline.ports.DeadLetterShelf`)."""
        if not 0 <= partition < self._log.partitions:
            return None
        try:
            found = self._log.read(partition, offset, max_bytes=1, timeout_s=0.0)
        except OffsetOutOfRangeError:
            return None
        return found[0].record if found and found[0].offset == offset else None
