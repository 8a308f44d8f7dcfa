"""Connections to one PostgreSQL database, with their limits and their errors; imports errors and metrics."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, exc, make_url

from pipeline.adapters.postgres.failures import translated
from pipeline.errors import ConfigurationError, DatabaseUnavailableError
from pipeline.metrics import DATABASE_UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

OLDEST_VERSION = 150_000  # PostgreSQL 15
_TRANSACTION_TIMEOUT_SINCE = 170_000
_CONNECT = {
    "application_name": "headcount",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds; a peer that vanished is noticed in the middle of a statement too
}


class Database:
    """A pool of connections to one database. Safe to use from several threads; whoever constructs it closes it.

    Args:
        url: `postgresql://user:password@host/database`.
        pool_size: Connections that are kept; a caller beyond them waits.
        transaction_timeout_s: The server ends a transaction that takes longer; 0: it may take any time.

    Raises:
        ConfigurationError: The URL cannot be used.
    """

    def __init__(self, url: str, *, pool_size: int = 4, transaction_timeout_s: int = 10) -> None:
        self._engine = create_engine(
            _driver_url(url), pool_size=pool_size, max_overflow=0, pool_timeout=30, connect_args=_CONNECT, hide_parameters=True
        )

        def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a connection of the driver
            _prepare(connection, transaction_timeout_s)

        event.listen(self._engine, "connect", prepare)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection inside a transaction that commits at the end, or rolls back on any exception.

        Raises:
            DatabaseUnavailableError: The connection was lost, or the server gave up; the transaction may have landed.
            ConfigurationError: The server refuses this user, or is too old.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            ours = translated(error)
            if ours is None:
                raise
            if isinstance(ours, DatabaseUnavailableError):
                DATABASE_UNAVAILABLE.inc()
            raise ours from None  # the driver's chain holds the connection's parameters

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def session_settings(server_version: int, transaction_timeout_s: int) -> dict[str, str]:
    """Return the settings of a new connection to a server of this version (such as 150018).

    Before PostgreSQL 17 there is no `transaction_timeout`: a limit on each statement and on the pauses between them stand in.

    Raises:
        ConfigurationError: The server is older than PostgreSQL 15.
    """
    if server_version < OLDEST_VERSION:
        raise ConfigurationError(
            f"the database is PostgreSQL {server_version // 10_000}: upgrade it to {OLDEST_VERSION // 10_000} or later"
        )
    limit = f"{transaction_timeout_s}s"
    if server_version >= _TRANSACTION_TIMEOUT_SINCE:
        limits = {"transaction_timeout": limit}
    else:
        limits = {"statement_timeout": limit, "idle_in_transaction_session_timeout": limit}
    return {"lock_timeout": "5s", "timezone": "UTC", **limits}


def _prepare(connection: Any, transaction_timeout_s: int) -> None:  # noqa: ANN401 - a connection of the driver
    settings = session_settings(connection.info.server_version, transaction_timeout_s)
    connection.autocommit = True  # a SET inside a transaction would be rolled back with it
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()))
    connection.autocommit = False


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # their messages may quote the password
        parsed = None
    # A second @ stands in a password that was not encoded: what follows the first would be taken, and shown, for the host.
    if parsed is None or url.count("@") > 1 or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError("HEADCOUNT_DATABASE_URL: expected postgresql://user:password@host/database (percent-encode the password)")
    return parsed.set(drivername="postgresql+psycopg2")
