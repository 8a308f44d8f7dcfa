"""What tests do with topics of a broker."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka.errors import UnknownTopicOrPartitionError

from pipeline.adapters.kafka.cluster import Broker, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.kafka import KafkaCluster


def cluster_at(server: KafkaCluster) -> Cluster:
    """Return how a client reaches brokers that ask nobody who they are."""
    addresses = (address.rpartition(":") for address in server.bootstrap.split(","))
    bootstrap = tuple(Broker(host=host, port=int(port)) for host, _, port in addresses)
    return Cluster(bootstrap=bootstrap, tls=False, ca_file=None, login=None)


@contextmanager
def deleted(server: KafkaCluster, topic: str) -> Iterator[None]:
    """Delete a topic after the block, if it is still there."""
    try:
        yield
    finally:
        delete(server, topic)


def delete(server: KafkaCluster, topic: str) -> None:
    """Delete a topic, if it is there."""
    admin = server.admin()
    try:
        admin.delete_topics([topic])
    except UnknownTopicOrPartitionError:
        pass
    finally:
        admin.close()
