"""Brokers are reached by another address than the one that they name: behind a forwarded port, a proxy, a container."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.diagnose import connected
from pipeline.errors import LogUnavailableError
from pipeline.settings import load_settings
from tests.servers.process import HOST, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.kafka import KafkaCluster


@contextmanager
def forwarded(port: int, answers: Callable[[bytes], bytes]) -> Iterator[str]:
    """Pass a port on; what the broker answers may be changed on the way."""
    threads: list[threading.Thread] = []

    def begin(work: Callable[..., None], *arguments: object) -> None:
        threads.append(threading.Thread(target=work, args=arguments))
        threads[-1].start()

    def copy(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(change(data))
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, broker = server.accept()[0], socket.create_connection((HOST, port))
                opened.extend((client, broker))
                begin(copy, client, broker, bytes)
                begin(copy, broker, client, answers)

    opened: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as server:
        begin(accept)
        yield f"{HOST}:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for connection in opened:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for connection in opened:
        connection.close()


def test_brokers_that_name_an_address_which_can_be_reached_are_used(kafka_server: KafkaCluster) -> None:
    port = int(kafka_server.bootstrap.split(":")[1])
    with (
        forwarded(port, bytes) as address,
        closing(connected(cluster_of(load_settings(kafka_bootstrap=address)), KafkaAdminClient)) as admin,
    ):
        assert [broker["port"] for broker in admin.describe_cluster()["brokers"]] == [port]


def test_an_address_that_brokers_name_and_that_cannot_be_reached_is_said(kafka_server: KafkaCluster) -> None:
    port = int(kafka_server.bootstrap.split(":")[1])
    (closed,) = free_ports(1)

    def named_otherwise(answer: bytes) -> bytes:
        return answer.replace(struct.pack(">i", port), struct.pack(">i", closed))

    with forwarded(port, named_otherwise) as address:
        cluster = cluster_of(load_settings(kafka_bootstrap=address))
        with pytest.raises(LogUnavailableError) as raised:
            connected(cluster, KafkaAdminClient)
    assert str(raised.value) == (
        f"Kafka at {HOST}:{closed}: connection refused; nothing listens on this port"
        " (an address that the brokers advertise; see their advertised.listeners)"
    )
