"""Deletes what the log must not keep; imports the partition's writer only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.adapters.locallog.writer import PartitionWriter


def delete_aged(writers: Sequence[PartitionWriter], *, now_ms: int, max_age_ms: int) -> None:
    """Delete the files whose last record is older than `max_age_ms`, oldest first in each partition.

    Raises:
        OSError: A file cannot be deleted.
    """
    for writer in writers:
        writer.roll(now_ms)
        while (oldest := writer.oldest()) is not None and oldest.newest_ms <= now_ms - max_age_ms:
            writer.drop(oldest)


def delete_all(writers: Sequence[PartitionWriter]) -> None:
    """Delete every record; the offsets go on where they are.

    Raises:
        OSError: A file cannot be deleted.
    """
    for writer in writers:
        writer.seal()
        while (oldest := writer.oldest()) is not None:
            writer.drop(oldest)


def delete_surplus(writers: Sequence[PartitionWriter], *, max_bytes: int) -> None:
    """Delete the oldest closed files of all partitions until the rest fits into `max_bytes`.

    Raises:
        OSError: A file cannot be deleted.
    """
    surplus = sum(writer.size() for writer in writers) - max_bytes
    while surplus > 0:
        candidates = [(oldest.newest_ms, index, oldest) for index, writer in enumerate(writers) if (oldest := writer.oldest()) is not None]
        if not candidates:
            return
        _, index, oldest = min(candidates, key=lambda candidate: candidate[:2])
        writers[index].drop(oldest)
        surplus -= oldest.size
