"""The fixtures that give tests real servers; a server that cannot be had makes its tests skip and say why.

Each server is started when the first test asks for it and ended with the session. `--require-servers` makes a
server that cannot be had a failure.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import platformdirs
import pytest

from pipeline.adapters.postgres.migrate import migrate
from pipeline.errors import HeadcountError
from services.stack.programs import KAFKA_VERSION, TRITON_VERSION, Programs
from tests.servers.kafka import KafkaServers
from tests.servers.postgres import TEMPLATE, Postgres15
from tests.servers.process import Reaper
from tests.servers.triton import TritonServers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.kafka import KafkaCluster
    from tests.servers.triton import Triton

Value = TypeVar("Value")

PROGRAMS_VARIABLE = "TEST_PROGRAMS_DIR"  # Headcount refuses variables of its own prefix that it does not know
_SERVERS = pytest.StashKey[dict[str, str]]()  # what was used, or why not, by name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-servers", action="store_true", help="a server that cannot be had is a failure, not a skip")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SERVERS] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    servers = terminalreporter.config.stash[_SERVERS]
    if servers:
        terminalreporter.write_sep("-", "servers")
    for name, state in sorted(servers.items()):
        terminalreporter.write_line(f"{name} {state}")


class ServerDesk:
    """Gives servers out, and writes down which."""

    def __init__(self, config: pytest.Config) -> None:
        self._servers = config.stash[_SERVERS]
        self._required = bool(config.getoption("--require-servers"))

    def have(self, name: str, make: Callable[[], Value]) -> Value:
        """Return what `make` makes; where it cannot be had, skip the test that asks."""
        try:
            made = make()
        except HeadcountError as error:
            self._servers[name] = f"cannot be had: {error}"
            if self._required:
                pytest.fail(f"{name} cannot be had: {error}")
            pytest.skip(f"{name} cannot be had: {error}")
        self._servers[name] = "was used"
        return made


@pytest.fixture(scope="session")
def server_desk(pytestconfig: pytest.Config) -> ServerDesk:
    return ServerDesk(pytestconfig)


@pytest.fixture(scope="session")
def reaper() -> Iterator[Reaper]:
    reaper = Reaper()
    yield reaper
    reaper.close()


@pytest.fixture(scope="session")
def programs_dir() -> Path:
    """Where the servers' programs are kept from session to session; what `programs_dir` of the settings may be in tests."""
    return Path(os.environ.get(PROGRAMS_VARIABLE) or platformdirs.user_cache_path("headcount-tests"))


@pytest.fixture(scope="session")
def programs(programs_dir: Path) -> Programs:
    return Programs(programs_dir, notice=lambda _: None)


@pytest.fixture(scope="session")
def kafka_servers(programs: Programs, server_desk: ServerDesk, server_dir: Path, reaper: Reaper) -> KafkaServers:
    """Starts clusters of a test's own, which it may kill: `with kafka_servers(Wanted(nodes=3)) as cluster:`."""
    return KafkaServers(server_desk.have(f"Kafka {KAFKA_VERSION}", programs.kafka_jars), server_dir, reaper)


@pytest.fixture(scope="session")
def kafka_server(kafka_servers: KafkaServers) -> Iterator[KafkaCluster]:
    """The session's broker, which nobody harms."""
    with kafka_servers() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def triton_servers(programs: Programs, server_desk: ServerDesk, server_dir: Path, reaper: Reaper) -> TritonServers:
    """Starts Tritons of a test's own, which it may kill: `with triton_servers(repository) as triton:`."""
    return TritonServers(server_desk.have(f"Triton {TRITON_VERSION}", programs.triton_environment), server_dir, reaper)


@pytest.fixture(scope="session")
def triton_server(triton_servers: TritonServers) -> Iterator[Triton]:
    """The session's Triton, which serves triton_models/ and which nobody harms."""
    with triton_servers() as triton:
        yield triton


@pytest.fixture(scope="session")
def postgres15(server_desk: ServerDesk, server_dir: Path, reaper: Reaper) -> Iterator[Postgres15]:
    """Debian's PostgreSQL 15 with a migrated template."""
    server = server_desk.have("PostgreSQL 15", lambda: Postgres15(server_dir / "postgres15", reaper))
    with server:
        migrate(server.create_database(TEMPLATE))
        yield server
