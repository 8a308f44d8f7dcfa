"""Databases for tests: one embedded server a session, and for each test a fresh copy of a migrated database."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import structlog

from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.adapters.postgres.migrate import migrate
from tests.e2e.rows import tell
from tests.servers.postgres import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import DatabaseServer

pytest_plugins = ["tests.servers.fixtures"]
collect_ignore = ["training"]  # needs torch: make test-train
structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())  # what is logged is shown where a test fails


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-minutes", type=float, default=0.0, help="kill a column's processes for so long; 0: each kind once")
    parser.addoption("--chaos-seed", type=int, help="kill in this order again")
    parser.addoption("--outage-seconds", type=float, default=8.0, help="how long brokers, Triton and ingest are away")


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that the server's unprivileged user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="headcount-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres18(server_dir: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(server_dir / "data", notice=lambda _: None) as server:
        tell(server.url("postgres"), "ALTER SYSTEM SET fsync = off")  # tests kill processes, not the machine
        tell(server.url("postgres"), "SELECT pg_reload_conf()")
        migrate(server.create_database(TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def postgres_server(postgres18: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server of the databases below; some folders and modules put another in its place."""
    return postgres18


@pytest.fixture
def empty_database_url(postgres_server: DatabaseServer) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database_url(postgres_server: DatabaseServer) -> Iterator[str]:
    """The URL of a migrated, empty database."""
    name = f"test_{uuid4().hex[:12]}"
    tell(postgres_server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()
