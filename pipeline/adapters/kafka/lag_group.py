"""Writes positions to a consumer group that nobody joins, for tools that show a group's lag; imports errors and this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka import KafkaAdminClient, TopicPartition
from kafka import errors as kafka
from kafka.structs import OffsetAndMetadata

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.adapters.kafka.cluster import Cluster

_NO_EPOCH = -1


def publish(cluster: Cluster, group: str, topic: str, positions: Mapping[int, int]) -> None:
    """Write the positions of a topic's partitions to a group, through a client of its own: an old one fails after a broker's restart.

    Args:
        cluster: The brokers.
        group: Which nobody has joined; it is made where there is none.
        topic: Whose partitions.
        positions: The next offset to read, by partition.

    Raises:
        LogUnavailableError: They could not be written for now.
        ConfigurationError: The brokers refuse this user.
    """
    if not positions:
        return
    offsets = {TopicPartition(topic, partition): OffsetAndMetadata(offset, "", _NO_EPOCH) for partition, offset in positions.items()}
    doing = f"writing positions to group {group}"
    admin = connected(cluster, KafkaAdminClient)
    try:
        with explained(doing):
            results = admin.alter_group_offsets(group, offsets)
    finally:
        admin.close()
    for failure in results.values():
        if failure is not kafka.NoError:
            raise translated(failure(), doing)
