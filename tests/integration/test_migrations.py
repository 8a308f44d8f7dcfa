"""The schema: made by the revisions, described by schema.py, refused where it does not fit."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pipeline.adapters.postgres.database import Database, session_settings
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.migrate import migrate
from pipeline.adapters.postgres.months import Months
from pipeline.adapters.postgres.schema import metadata
from pipeline.errors import ConfigurationError, DatabaseUnavailableError
from pipeline.types import Claim
from tests.contract.samples import NOON, execute, query
from tests.servers.postgres import SERVERS, server_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import DatabaseServer

PASSWORD = "p@ss/w:rd#%"
QUOTED_PASSWORD = "p%40ss%2Fw%3Ard%23%25"


@pytest.fixture(scope="module", params=SERVERS)
def postgres_server(request: pytest.FixtureRequest) -> DatabaseServer:
    return server_named(request)


def differences(database: Database) -> list[Any]:
    """Return where the tables differ from schema.py; comments live in the migrations only."""
    options = {"compare_type": True, "include_name": lambda name, _kind, _parents: name not in {"visit_default", "alembic_version"}}
    with database.transaction() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return [entry for entry in found if "comment" not in str(entry[0][0] if isinstance(entry, list) else entry[0])]


def test_the_revisions_make_what_the_code_expects(database: Database) -> None:
    assert differences(database) == []
    execute(database, "ALTER TABLE camera DROP COLUMN source")
    assert [entry[0] for entry in differences(database)] == ["add_column"]


def test_every_table_and_view_says_what_it_is(database: Database) -> None:
    Months(database).ensure([NOON])
    silent = query(
        database,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') "
        "AND obj_description(oid, 'pg_class') IS NULL AND relname <> 'alembic_version'",
    )
    assert silent == []


def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    execute(database, "INSERT INTO site(name, time_zone) VALUES ('shop', 'UTC')")
    migrate(database_url)
    assert query(database, "SELECT name FROM site") == [("shop",)]


def test_processes_that_migrate_at_once_all_succeed(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, [empty_database_url] * 3))
    database = Database(empty_database_url)
    assert query(database, "SELECT count(*) FROM alembic_version") == [(1,)]
    database.close()


def test_a_newer_database_is_refused(database: Database, database_url: str) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"newer Headcount \(revision 9999\): upgrade"):
        migrate(database_url)


def test_the_questions_of_the_sql_guide_can_be_asked(database: Database) -> None:
    guide = Path(__file__).parents[2] / "docs" / "sql.md"
    blocks = re.findall(r"```sql\n(.*?)```", guide.read_text(), re.DOTALL)
    statements = [statement for block in blocks for statement in block.split(";\n") if statement.strip()]
    assert len(statements) >= 5
    for statement in statements:
        assert query(database, statement) == []


def test_local_time_and_dwell_are_in_the_view(database: Database) -> None:
    camera = UUID(int=1)
    execute(database, "INSERT INTO site(site_id, name, time_zone) VALUES (1, 'shop', 'Europe/Budapest')")
    execute(database, "INSERT INTO camera(camera_id, site_id, name, source, partition) VALUES (:id, 1, 'door', 'x', 0)", id=camera)
    execute(
        database,
        "INSERT INTO visit(visit_id, camera_id, session, started_at, ended_at, age_band, gender, observations, detections, quality, "
        "first_box, last_box, model, detector) VALUES (gen_random_uuid(), :id, 1, :at, :at + interval '2.5 s', 'unknown', 'unknown', "
        "0, 3, 0, '{1,2,3,4}', '{1,2,3,4}', 'm', 'd')",
        id=camera,
        at=NOON,
    )
    assert query(database, "SELECT site, camera, started_local::text, dwell_s FROM visits") == [
        ("shop", "door", "2026-11-21 13:00:00", 2.5)
    ]


@pytest.mark.parametrize(
    ("version", "names"),
    [
        (150018, {"statement_timeout", "idle_in_transaction_session_timeout"}),
        (160004, {"statement_timeout"}),
        (180004, {"transaction_timeout"}),
    ],
)
def test_a_transaction_is_limited_on_every_version(version: int, names: set[str]) -> None:
    settings = session_settings(version, 10)
    assert names <= settings.keys()
    assert {settings[name] for name in names} == {"10s"}


def test_an_old_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL 14: upgrade it to 15"):
        session_settings(140011, 10)


@pytest.mark.parametrize("url", ["mysql://u@h/d", "no url", f"postgresql://u:{PASSWORD}@h/d", "postgresql://u:secret@h:70x/d"])
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="HEADCOUNT_DATABASE_URL: expected") as caught:
        Database(url)
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_server_that_is_away_is_the_machines_fault() -> None:
    with pytest.raises(DatabaseUnavailableError, match="is it running and reachable") as caught:
        migrate(f"postgresql://u:{QUOTED_PASSWORD}@127.0.0.1:1/d")
    assert "p@ss" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_does_not_exist_is_the_users(postgres_server: DatabaseServer) -> None:
    with pytest.raises(ConfigurationError, match='"nowhere" does not exist; make it'):
        migrate(postgres_server.url("nowhere"))


@pytest.fixture
def locked_url(database: Database, database_url: str) -> Iterator[str]:
    """The URL of a user that needs a password, and has given the wrong one."""
    ((path,),) = query(database, "SHOW hba_file")
    rules = Path(path)
    before = rules.read_text()
    rules.write_text("local all locked scram-sha-256\n" + before)
    execute(database, "DROP ROLE IF EXISTS locked")
    execute(database, "CREATE ROLE locked LOGIN PASSWORD 'right'")
    execute(database, "SELECT pg_reload_conf()")
    yield database_url.replace("headcount@", f"locked:{QUOTED_PASSWORD}@")
    rules.write_text(before)
    execute(database, "DROP ROLE locked")


def test_a_wrong_password_is_the_users_and_is_not_repeated(locked_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"password authentication failed.*check user and password") as caught:
        migrate(locked_url)
    assert "p@ss" not in str(caught.value)
    assert "p%40ss" not in str(caught.value)


def test_a_user_without_rights_is_told_what_to_grant(database: Database, database_url: str) -> None:
    execute(database, "DROP ROLE IF EXISTS analyst")
    execute(database, "CREATE ROLE analyst LOGIN")
    try:
        denied = Database(database_url.replace("headcount@", "analyst@"))
        with pytest.raises(ConfigurationError, match="permission denied for table log_partition; grant"):
            PostgresFacts(denied, log_id=1, worker_id=UUID(int=1)).confirm(Claim(partition=0, epoch=1, next_offset=0, crashes=0), 1)
        denied.close()
    finally:
        execute(database, "DROP ROLE analyst")
