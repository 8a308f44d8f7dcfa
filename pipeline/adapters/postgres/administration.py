"""Makes, drops and lists the databases of a server; imports errors only."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from pipeline.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2 import extensions

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def create_database(url: str, name: str) -> None:
    """Make an empty database on the server that `url` leads to.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    _execute(url, sql.SQL("CREATE DATABASE {}").format(_identifier(name)))


def drop_database(url: str, name: str) -> None:
    """Drop a database with its connections, if it is there.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    _execute(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(_identifier(name)))


def databases(url: str) -> list[str]:
    """Return the names of all databases but PostgreSQL's own.

    Raises:
        DatabaseUnavailableError: The server does not answer.
    """
    with _cursor(url) as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def last_line(text: str) -> str:
    """Return the last line of what a program or a server said."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _execute(url: str, statement: sql.Composed) -> None:
    with _cursor(url) as cursor:
        cursor.execute(statement)


@contextmanager
def _cursor(url: str) -> Iterator[extensions.cursor]:
    try:
        connection = psycopg2.connect(url, connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailableError(f"the embedded database does not answer: {last_line(str(error))}") from None
    connection.autocommit = True  # databases are not made inside a transaction
    try:
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailableError(f"the embedded database went away: {last_line(str(error))}") from None
    finally:
        connection.close()


def _identifier(name: str) -> sql.Identifier:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a database name of lower-case letters, digits and _, got {name!r}")
    return sql.Identifier(name)
