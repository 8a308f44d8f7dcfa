"""What is said of ports that are no Kafka; the real broker's answers are in tests/integration/test_kafka_security.py."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.diagnose import connected, look
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError
from pipeline.settings import load_settings
from tests.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "hun@ter/2?#%\"\\`'"
LOGIN: dict[str, object] = {"kafka_username": "ingest", "kafka_password": PASSWORD}
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"
VERSIONS = struct.pack(">iihi", 10, 18, 0, 0)  # ApiVersions: no error, no API
OTHER_ANSWER = struct.pack(">iihi", 10, 99, 0, 0)


@contextmanager
def port(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let `answer` talk on each connection until it is broken off."""
    talking: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    def serve() -> None:
        with suppress(OSError):
            while True:
                talking.append(threading.Thread(target=talk, args=[server.accept()[0]]))
                talking[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve)
        serving.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    for thread in (serving, *talking):
        thread.join()


def saying(*answers: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        for answer in answers:
            connection.recv(4096)
            connection.sendall(answer)
        connection.recv(4096)

    return talk


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def seen(address: str, within_s: float = 5.0, /, **given: object) -> HeadcountError:
    cluster = cluster_of(load_settings(**{"kafka_bootstrap": address, **given}))
    with pytest.raises(HeadcountError) as raised:
        look(cluster, within_s=within_s)
    message = str(raised.value)
    assert "\n" not in message
    assert PASSWORD not in message
    return raised.value


@pytest.mark.parametrize("given", [{}, LOGIN, {"kafka_tls": True}])
def test_a_port_that_says_nothing_may_come_back(given: dict[str, object]) -> None:
    with port(silent) as address:
        error = seen(address, 0.2, **given)
    assert isinstance(error, LogUnavailableError)
    assert str(error) == f"Kafka at {address}: no answer within 0.2 s; check the address and its network"


@pytest.mark.parametrize("answers", [[], [HTTP], [struct.pack(">i", -1)], [struct.pack(">i", 1 << 30)], [OTHER_ANSWER]])
def test_a_port_that_does_not_talk_kafka_is_named(answers: list[bytes]) -> None:
    with port(saying(*answers)) as address:
        error = seen(address)
    assert isinstance(error, ConfigurationError)
    assert str(error) == f"Kafka at {address}: this port does not talk Kafka; check HEADCOUNT_KAFKA_BOOTSTRAP"


def test_a_port_that_talks_tls_but_not_kafka_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "IP:127.0.0.1")

    def talk(connection: socket.socket) -> None:
        with certificate.server_context().wrap_socket(connection, server_side=True) as secured:
            saying(HTTP)(secured)

    with port(talk) as address:
        error = seen(address, kafka_tls=True, kafka_ca_file=certificate.certificate)
    assert str(error).endswith("this port talks TLS, but not Kafka; check HEADCOUNT_KAFKA_BOOTSTRAP")


def test_a_certificate_for_another_name_is_told_from_one_that_is_not_trusted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "DNS:kafka.example")

    def talk(connection: socket.socket) -> None:
        certificate.server_context().wrap_socket(connection, server_side=True).close()

    with port(talk) as address:
        other_name = seen(address, kafka_tls=True, kafka_ca_file=certificate.certificate)
        not_trusted = seen(address, kafka_tls=True)
    assert "TLS failed: its certificate is for another host name" in str(other_name)
    assert "TLS failed: its certificate is not trusted" in str(not_trusted)


def test_a_broker_that_wants_a_certificate_of_the_client_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "IP:127.0.0.1")

    def talk(connection: socket.socket) -> None:
        context = certificate.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.wrap_socket(connection, server_side=True).close()

    with port(talk) as address:
        error = seen(address, kafka_tls=True, kafka_ca_file=certificate.certificate)
    assert "TLS failed: it asks for a client's certificate" in str(error)


@pytest.mark.parametrize(
    "answers",
    [
        [],  # the connection ends
        [struct.pack(">iih", 6, 17, 0)],  # half an answer to the handshake
        [struct.pack(">iihi", 10, 17, 0, 0), struct.pack(">iih", 6, 36, 0)],  # half an answer to the proof
        [struct.pack(">iihi", 10, 17, 0, 0), struct.pack(">iihhi3s", 15, 36, 0, -1, 3, b"r=x")],  # no answer to our challenge
    ],
)
def test_a_login_that_goes_wrong_in_any_way_is_refused(answers: list[bytes]) -> None:
    with port(saying(VERSIONS, *answers)) as address:
        error = seen(address, **LOGIN)
    assert isinstance(error, ConfigurationError)
    assert "authentication failed: user or password was refused" in str(error)


def test_the_ways_to_log_in_that_a_broker_offers_are_named() -> None:
    offer = struct.pack(">iihih13sh5s", 32, 17, 33, 2, 13, b"SCRAM-SHA-256", 5, b"PLAIN")
    with port(saying(VERSIONS, offer)) as address:
        error = seen(address, **LOGIN)
    assert str(error).endswith("authentication failed: it offers PLAIN, SCRAM-SHA-256; change HEADCOUNT_KAFKA_SASL")


def test_what_can_be_mended_goes_before_a_broker_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    assert str(seen(closed)) == f"Kafka at {closed}: connection refused; nothing listens on this port"
    with port(saying(HTTP)) as address:
        assert str(seen(f"{closed},{address}")).startswith(f"Kafka at {address}: ")


def test_a_broker_that_breaks_off_and_then_refuses_was_killed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def die() -> None:
            connection = server.accept()[0]
            server.close()
            connection.close()

        dying = threading.Thread(target=die)
        dying.start()
        error = seen(address, kafka_tls=True)
        dying.join()
    assert isinstance(error, LogUnavailableError)


def test_one_broker_that_answers_is_enough() -> None:
    metadata = struct.pack(">ii", 4, 3)
    with port(saying(HTTP)) as other, port(saying(VERSIONS, metadata)) as broker:
        look(cluster_of(load_settings(kafka_bootstrap=f"{other},{broker}")))


def test_a_client_that_cannot_be_made_leaves_no_thread() -> None:
    def fail(**options: object) -> None:
        client = options["kafka_client"](bootstrap_servers=options["bootstrap_servers"])  # type: ignore[operator] # kafka-python ships no types
        client._net.start()  # noqa: SLF001 - as its admin client does
        raise ConnectionResetError

    with port(saying(VERSIONS, struct.pack(">ii", 4, 3))) as broker:
        cluster = cluster_of(load_settings(kafka_bootstrap=broker))
        with pytest.raises(LogUnavailableError, match="a broker cannot be reached"):
            connected(cluster, fail)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kafka-io")]
