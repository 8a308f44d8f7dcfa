"""Opens the segment log of the settings: topics of Kafka where brokers are named, else the embedded one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from pipeline.adapters.kafka.cluster import cluster_of, require_crc32c
from pipeline.adapters.kafka.log import KafkaLog, Topic
from pipeline.adapters.kafka.plan import dead_letter_topic
from pipeline.adapters.kafka.shelf import KafkaShelf
from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.adapters.locallog.shelf import LocalShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ports import Clock, DeadLetterShelf
    from pipeline.settings import Settings

OpenedLog: TypeAlias = LocalLog | KafkaLog


def open_log(path: Path, settings: Settings, clock: Clock, *, writes: bool) -> OpenedLog:
    """Open the segment log; who opens closes.

    Args:
        path: The embedded log's folder.
        settings: Whether it is that one.
        clock: For the embedded log.
        writes: Else it is opened for reading only.

    Raises:
        ConfigurationError: Another process writes, or it cannot be used so.
        LogUnavailableError: There is none yet, or it cannot be used for now.
    """
    if settings.kafka_bootstrap is None:
        return LocalLog(path, clock=clock, limits=log_limits(settings) if writes else None)
    require_crc32c()
    topic = Topic(name=settings.kafka_topic, max_record_bytes=settings.record_max_bytes, writes=writes)
    return KafkaLog(cluster_of(settings), topic)


@contextmanager
def open_shelf(log: OpenedLog, settings: Settings) -> Iterator[DeadLetterShelf]:
    """Yield where the bytes of a log's dead letters are kept."""
    if isinstance(log, LocalLog):
        yield LocalShelf(log)
        return
    shelf = KafkaShelf(cluster_of(settings), dead_letter_topic(settings), log, max_record_bytes=settings.record_max_bytes)
    try:
        yield shelf
    finally:
        shelf.close()


def partitions_of(settings: Settings) -> int:
    """Return how many partitions the settings ask for."""
    return settings.partitions if settings.kafka_bootstrap is None else settings.kafka_partitions


def log_limits(settings: Settings) -> LogLimits:
    """Return what the writer of the embedded log keeps to."""
    return LogLimits(
        partitions=settings.partitions,
        retention_s=settings.retention_minutes * 60,
        max_bytes=settings.log_max_bytes,
        max_record_bytes=settings.record_max_bytes,
    )
