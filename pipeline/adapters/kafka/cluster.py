"""Who the brokers are and how to log in; what kafka-python's clients are made with. Imports errors, settings and this package."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka.record import util as kafka_record

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:/@\[\],]+)):(?P<port>[0-9]{1,5})")
_PORTS = range(1, 2**16)
_SCRAM_NAME = re.compile(r"[^,=]+")  # kafka-python does not escape them (RFC 5802, 5.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _Secret(str):
    """A password that does not show in kafka-python's own debug lines, which print every option."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name at the brokers and how it is proven."""

    username: str
    password: str = field(repr=False)
    mechanism: str  # SCRAM-SHA-512 or PLAIN

    def options(self) -> dict[str, Any]:
        """Return the arguments of kafka-python that it stands for."""
        return {
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": _Secret(self.password),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Brokers, and what it takes to talk to them."""

    bootstrap: tuple[Broker, ...]
    tls: bool
    ca_file: Path | None
    login: Login | None

    def options(self) -> dict[str, Any]:
        """Return the arguments that kafka-python's consumer, producer and admin client have in common.

        Raises:
            ConfigurationError: The file of the authorities cannot be read any more.
        """
        protocol = "SSL" if self.tls else "PLAINTEXT"
        return {
            "bootstrap_servers": [str(broker) for broker in self.bootstrap],
            "client_id": "headcount",
            "reconnect_backoff_max_ms": 1000,  # its default lets a broker that is back wait for 30 s
            "request_timeout_ms": 10_000,
            "bootstrap_timeout_ms": 10_000,
            "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
            "security_protocol": protocol if self.login is None else f"SASL_{protocol}",
            "ssl_context": self.tls_context() if self.tls else None,
            **(self.login.options() if self.login else {}),
        }

    def tls_context(self) -> ssl.SSLContext:
        """Return what checks the brokers' certificates and names.

        Raises:
            ConfigurationError: The file of the authorities cannot be used.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # also ssl.SSLError
            reason = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
            raise ConfigurationError(f"HEADCOUNT_KAFKA_CA_FILE: {self.ca_file} {reason}") from None

    def __str__(self) -> str:
        return ",".join(str(broker) for broker in self.bootstrap)


def cluster_of(settings: Settings) -> Cluster:
    """Return the brokers of the settings.

    Raises:
        ConfigurationError: A setting is missing or cannot be used; the message names it.
    """
    if settings.kafka_bootstrap is None:
        raise ConfigurationError("HEADCOUNT_KAFKA_BOOTSTRAP is not set: it names the Kafka brokers, as HOST:PORT")
    if settings.kafka_ca_file is not None and not settings.kafka_tls:
        raise ConfigurationError("HEADCOUNT_KAFKA_CA_FILE is of no use without TLS: set HEADCOUNT_KAFKA_TLS=true")
    cluster = Cluster(
        bootstrap=tuple(_broker(address.strip()) for address in settings.kafka_bootstrap.split(",")),
        tls=settings.kafka_tls,
        ca_file=settings.kafka_ca_file,
        login=_login(settings),
    )
    if cluster.tls:
        cluster.tls_context()
    return cluster


def _broker(address: str) -> Broker:
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) not in _PORTS:
        # What was given is not repeated: someone may have put a password into it.
        raise ConfigurationError("HEADCOUNT_KAFKA_BOOTSTRAP: expected HOST:PORT, several with commas between, such as kafka.example:9092")
    return Broker(host=found["six"] or found["host"], port=int(found["port"]))


def _login(settings: Settings) -> Login | None:
    name, password = settings.kafka_username, settings.kafka_password
    if name is None and password is None:
        return None
    if name is None:
        raise ConfigurationError("HEADCOUNT_KAFKA_PASSWORD is set without HEADCOUNT_KAFKA_USERNAME: set both, or neither")
    if password is None:
        raise ConfigurationError("HEADCOUNT_KAFKA_USERNAME is set without HEADCOUNT_KAFKA_PASSWORD: set both, or neither")
    if not _SCRAM_NAME.fullmatch(name):
        raise ConfigurationError("HEADCOUNT_KAFKA_USERNAME: a name with a comma or an equals sign cannot be used")
    return Login(username=name, password=password.get_secret_value(), mechanism=settings.kafka_sasl)


def require_crc32c(function: object = kafka_record.crc32c_c) -> None:
    """Refuse to work with checksums in plain Python, which are a thousand times as slow and would stall every lane.

    Args:
        function: What kafka-python computes checksums with; None: its own plain Python.

    Raises:
        ConfigurationError: It has no compiled function.
    """
    if function is None:
        raise ConfigurationError("kafka-python finds no crc32c and would compute checksums in plain Python: pip install crc32c")
