"""What a stack consists of, by the settings: what is its own, where it listens, and what its processes are told."""

from __future__ import annotations

import errno
import os
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.adapters.model_config import read_model_config
from pipeline.errors import ConfigurationError
from pipeline.resources import resource
from pipeline.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.settings import Settings

HOST = "127.0.0.1"
HEADCOUNT = (sys.executable, "-P", "-m", "services")  # -P: what lies in the current folder is none of our modules
_LONGEST_SLOT = 60
_KAFKA_PORTS = ("stack_kafka_port", "stack_kafka_controller_port")
_TRITON_PORTS = ("stack_triton_http_port", "stack_triton_grpc_port", "stack_triton_metrics_port")
_LOG_ROTATION = {"RAY_ROTATION_MAX_BYTES": str(8 * 2**20), "RAY_ROTATION_BACKUP_COUNT": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stack as it is to be."""

    settings: Settings  # of the stack's processes: with the addresses of its own servers
    own_kafka: bool
    own_triton: bool
    has_sources: bool
    slot: str  # of its workers and its ingest
    inherited: Mapping[str, str] = field(repr=False)  # the environment of whoever started the stack

    def environment(self) -> dict[str, str]:
        """Return the environment of the processes that are ours; it may hold passwords."""
        settings = self.settings
        told = {
            "data_dir": str(settings.data_dir),
            "database_url": None if settings.database_url is None else settings.database_url.get_secret_value(),
            "kafka_bootstrap": settings.kafka_bootstrap,
            "triton_url": settings.triton_url,
        }
        if self.own_kafka:
            told |= {"kafka_replication": "1", "kafka_tls": "false", "kafka_ca_file": None}
        ours = {PREFIX + name.upper(): value for name, value in told.items()}
        inherited = {name: value for name, value in self.inherited.items() if name.upper() not in ours}
        return {**_LOG_ROTATION, **inherited, **{name: value for name, value in ours.items() if value is not None}}

    def require_free_ports(self) -> None:
        """Check that nobody listens where the stack's own servers will.

        Raises:
            ConfigurationError: Somebody does; names the setting.
        """
        names = [*(_KAFKA_PORTS if self.own_kafka else ()), *(_TRITON_PORTS if self.own_triton else ())]
        taken: dict[int, str] = {}
        for name in names:
            variable, port = PREFIX + name.upper(), getattr(self.settings, name)
            if port in taken:
                raise ConfigurationError(f"{taken[port]} and {variable} are both {port}: give each a port of its own")
            taken[port] = variable
            _require_free(port, variable)


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without ours: Kafka and Triton need no setting, and some hold passwords."""
    return {name: value for name, value in environment.items() if not name.upper().startswith(PREFIX)}


def plan_of(settings: Settings, *, has_sources: bool) -> Plan:
    """Return the stack that the settings ask for.

    Raises:
        ConfigurationError: Settings contradict each other, or name a model that there is not.
    """
    own_kafka, own_triton = settings.kafka_bootstrap is None, settings.triton_url is None
    if own_kafka and (settings.kafka_username is not None or settings.kafka_password is not None):
        raise ConfigurationError(
            "HEADCOUNT_KAFKA_USERNAME and HEADCOUNT_KAFKA_PASSWORD are for your own brokers: set HEADCOUNT_KAFKA_BOOTSTRAP, or unset them"
        )
    changes: dict[str, object] = {}
    if own_kafka:
        kafka = {
            "kafka_bootstrap": f"{HOST}:{settings.stack_kafka_port}",
            "kafka_replication": 1,
            "kafka_tls": False,
            "kafka_ca_file": None,
        }
        changes |= kafka
    if own_triton:
        read_model_config(settings.model_repository or resource("triton_models"), settings.model)  # Triton says less clearly what is wrong
        changes["triton_url"] = f"{HOST}:{settings.stack_triton_grpc_port}"
    slot = "stack" if settings.database_url is None else f"stack-{socket.gethostname()}"[:_LONGEST_SLOT]  # others may use the database
    return Plan(
        settings=settings.model_copy(update=changes),
        own_kafka=own_kafka,
        own_triton=own_triton,
        has_sources=has_sources,
        slot=slot,
        inherited=dict(os.environ),
    )


def _require_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server that has ended are no hindrance
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise ConfigurationError(f"port {port} {reason}: set {variable} to another one") from None
