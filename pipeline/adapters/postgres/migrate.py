"""Brings a database to the newest schema with Alembic; imports resources and errors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from pipeline.adapters.postgres.database import Database
from pipeline.errors import ConfigurationError
from pipeline.resources import resource

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK_KEY = 0x48_45_41_44  # any number that nobody else uses


def migrate(url: str) -> None:
    """Make or upgrade the tables; safe to call from several processes at once, does nothing on a current database.

    Raises:
        ConfigurationError: A newer Headcount made the database, or the server is too old or refuses.
        DatabaseUnavailableError: The database does not answer.
    """
    database = Database(url, pool_size=1, transaction_timeout_s=0)
    try:
        with database.transaction() as connection:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            _upgrade(connection)
    finally:
        database.close()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise ConfigurationError(f"the database was made by a newer Headcount (revision {', '.join(sorted(unknown))}): upgrade this one")
    command.upgrade(config, "head")
