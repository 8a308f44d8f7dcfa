"""The contracts of the database's adapters are held on both servers that Headcount must work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.postgres import SERVERS, server_named

if TYPE_CHECKING:
    from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="session", params=SERVERS)
def postgres_server(request: pytest.FixtureRequest) -> DatabaseServer:
    return server_named(request)
