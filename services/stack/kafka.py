"""Describes and prepares a Kafka broker on the loopback; who starts it watches it. Imports errors only."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = "127.0.0.1"
_FORMAT_TIMEOUT_S = 120.0
_JAVA_OPTIONS = (
    "-Djava.net.preferIPv4Stack=true",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # writes to the machine's temporary folder
    "-Dlog4j2.level=INFO",
)


def new_cluster_id() -> str:
    """Return a name for a new cluster, in Kafka's form."""
    return base64.urlsafe_b64encode(b"\x00" + uuid4().bytes[1:]).decode().rstrip("=")  # the zero: none that looks like an option


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaNode:
    """One broker that is its own controller, or one of a cluster of such."""

    jars: Path
    folder: Path  # its configuration and its data, kept over restarts
    ports: tuple[tuple[int, int], ...]  # the brokers' and the controllers' port of each node of the cluster
    index: int = 0  # which of them this is
    cluster_id: str = field(default_factory=new_cluster_id)  # used where the folder is new; one for all nodes
    protocol: str = "PLAINTEXT"  # of the brokers' port: SSL, SASL_SSL, SASL_PLAINTEXT need properties of their own
    properties: Mapping[str, str] = field(default_factory=dict)  # added to, or instead of, those below
    format_arguments: tuple[str, ...] = ()  # such as --add-scram
    record_max_bytes: int = 17 * 2**20
    heap_mb: int = 320
    java_options: tuple[str, ...] = ()  # added to those that every broker has

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of every broker of the cluster, with commas between."""
        return ",".join(f"{HOST}:{broker}" for broker, _ in self.ports)

    def prepare(self) -> None:
        """Write the configuration, and format the folder where it is new.

        Raises:
            ConfigurationError: Kafka refuses the configuration.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={_escaped(value)}\n" for name, value in {**self._defaults(), **self.properties}.items()]
        self._configuration.touch(mode=0o600)  # properties may hold passwords
        self._configuration.write_text("".join(lines))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        """Return the command that runs the broker; it logs to its stdout, and TERM stops it in good order."""
        return self._java("kafka.Kafka", str(self._configuration), heap_mb=self.heap_mb)

    def environment(self) -> dict[str, str]:
        """Return the environment that the command runs in."""
        return {name: value for name, value in os.environ.items() if name not in {"CLASSPATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"}}

    @property
    def _configuration(self) -> Path:
        return self.folder / "server.properties"

    def _defaults(self) -> dict[str, str]:
        broker, controller = self.ports[self.index]
        copies = min(3, len(self.ports))
        voters = (f"{number}@{HOST}:{port}" for number, (_, port) in enumerate(self.ports, 1))
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.index + 1),
            "listeners": f"{self.protocol}://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"{self.protocol}://{HOST}:{broker}",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{self.protocol}:{self.protocol}",
            "inter.broker.listener.name": self.protocol,
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(voters),
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "message.max.bytes": str(self.record_max_bytes),
            "replica.fetch.max.bytes": str(self.record_max_bytes),
            "socket.request.max.bytes": str(max(100 * 2**20, 2 * self.record_max_bytes)),
            "group.initial.rebalance.delay.ms": "0",
            **_internal_topics(copies),
        }

    def _format(self) -> None:
        arguments = ["format", "--ignore-formatted", "-t", self.cluster_id, "-c", str(self._configuration), *self.format_arguments]
        try:
            made = subprocess.run(  # noqa: S603 - Kafka's own tool
                self._java("kafka.tools.StorageTool", *arguments, heap_mb=128),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=_FORMAT_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise ConfigurationError(f"Kafka did not format {self.folder} within {_FORMAT_TIMEOUT_S:.0f} s; try again") from None
        if made.returncode:
            log = self.folder / "format.log"
            log.touch(mode=0o600)
            log.write_text(made.stdout)
            raise ConfigurationError(f"Kafka refuses its configuration; see {log}")

    def _java(self, program: str, *arguments: str, heap_mb: int) -> list[str]:
        return ["java", f"-Xmx{heap_mb}m", *_JAVA_OPTIONS, *self.java_options, "-cp", f"{self.jars}/*", program, *arguments]


def _internal_topics(copies: int) -> dict[str, str]:
    """Return the sizes of Kafka's own topics: small, because a broker makes all their files when it is first asked."""
    topics = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    partitions = {f"{topic}.num.partitions": "4" for topic in topics}
    replication = {f"{topic}.replication.factor": str(copies) for topic in topics}
    return partitions | replication | {f"{topic}.min.isr": str(max(1, copies - 1)) for topic in topics[1:]}


def _escaped(value: str) -> str:
    """Return a value as Java's properties files write it: JSON's escapes, which are the same where they matter."""
    return json.dumps(value)[1:-1]
