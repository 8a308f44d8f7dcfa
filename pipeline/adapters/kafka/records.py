"""What a record of ours is in Kafka, and back; imports types only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.types import Record, StoredRecord

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

_UNKNOWN_MS = -1


def stored_record(fetched: ConsumerRecord) -> StoredRecord:
    """Return what was fetched; a value or header without bytes, which we do not write, counts as empty."""
    record = Record(headers=tuple((name, value or b"") for name, value in fetched.headers), value=fetched.value or b"")
    appended_us = None if fetched.timestamp == _UNKNOWN_MS else fetched.timestamp * 1000
    return StoredRecord(partition=fetched.partition, offset=fetched.offset, record=record, appended_us=appended_us)
