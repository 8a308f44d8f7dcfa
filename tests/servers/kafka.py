"""A Kafka cluster of the tests."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from services.stack.kafka import KafkaNode, new_cluster_id
from tests.servers.process import Reaper, ServerProcess, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUICK = ("-XX:TieredStopAtLevel=1",)  # a start costs a third less; what this costs a broker shows only after minutes of work


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a cluster is to be like, beyond a plain one."""

    nodes: int = 1
    protocol: str = "PLAINTEXT"  # of the brokers' port
    properties: Mapping[str, str] = field(default_factory=dict)  # added to server.properties
    format_arguments: tuple[str, ...] = ()  # such as --add-scram
    client: Mapping[str, Any] = field(default_factory=dict)  # what kafka-python's clients need to log in as administrator


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaCluster:
    """Brokers that run; `nodes` are their processes, in the order of the bootstrap addresses."""

    bootstrap: str
    nodes: tuple[ServerProcess, ...]
    client: Mapping[str, Any]

    def admin(self) -> KafkaAdminClient:
        """Connect as the administrator; who asks closes."""
        return _admin(self.bootstrap, self.client)

    def new_topic(self, *, partitions: int = 1, replication: int = 1, **configs: str) -> str:
        """Make a topic under a name that nobody else uses, and return the name; `max_message_bytes` is max.message.bytes."""
        name = f"test-{uuid4().hex[:12]}"
        wanted = {key.replace("_", "."): value for key, value in configs.items()}
        admin = self.admin()
        try:
            made = {"num_partitions": partitions, "replication_factor": replication, "configs": wanted}
            admin.create_topics({name: made}, wait_for_metadata=True)
        finally:
            admin.close()
        return name


class KafkaServers:
    """Starts clusters, each with data of its own."""

    def __init__(self, jars: Path, folder: Path, reaper: Reaper) -> None:
        self._jars = jars
        self._folder = folder
        self._reaper = reaper

    @contextmanager
    def __call__(self, wanted: Wanted | None = None) -> Iterator[KafkaCluster]:
        """Start a cluster and end it with the block."""
        wanted = wanted or Wanted()
        nodes = self._described(wanted)
        client = {"security_protocol": wanted.protocol, **wanted.client}
        processes = [self._process(node, client, len(nodes)) for node in nodes]
        try:
            for process in processes:
                process.launch()
            for process in processes:
                process.wait_ready()
            yield KafkaCluster(bootstrap=nodes[0].bootstrap, nodes=tuple(processes), client=client)
        finally:
            for process in processes:
                process.stop()

    def _described(self, wanted: Wanted) -> list[KafkaNode]:
        folder = Path(mkdtemp(prefix="kafka-", dir=self._folder))
        free = free_ports(2 * wanted.nodes)
        cluster_id = new_cluster_id()
        nodes = [
            KafkaNode(
                jars=self._jars,
                folder=folder / str(index),
                ports=tuple(zip(free[::2], free[1::2], strict=True)),
                index=index,
                cluster_id=cluster_id,
                protocol=wanted.protocol,
                properties=wanted.properties,
                format_arguments=wanted.format_arguments,
                java_options=_QUICK,
            )
            for index in range(wanted.nodes)
        ]
        for node in nodes:
            node.prepare()
        return nodes

    def _process(self, node: KafkaNode, client: Mapping[str, Any], nodes: int) -> ServerProcess:
        def ready() -> bool:
            return _brokers(node.bootstrap.split(",")[node.index], client) == nodes

        return ServerProcess(node.command(), node.environment(), log=node.folder / "broker.log", ready=ready, reaper=self._reaper)


def _admin(bootstrap: str, client: Mapping[str, Any]) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=bootstrap.split(","), reconnect_backoff_max_ms=1000, **client)


def _brokers(bootstrap: str, client: Mapping[str, Any]) -> int:
    """Return how many brokers of the cluster may take records, as one of them sees it; 0: it does not answer."""
    host, port = bootstrap.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()  # a client that cannot connect leaves its sockets open
        admin = _admin(bootstrap, client)
    except (OSError, KafkaError):
        return 0
    try:
        return sum(not broker["is_fenced"] for broker in admin.describe_cluster()["brokers"])
    except KafkaError:
        return 0
    finally:
        admin.close()
