"""The log that is analysed again and again, and the databases that it is analysed into; imports the embedded server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from pipeline.adapters.postgres.embedded import KEPT_DATABASE, EmbeddedPostgres
from pipeline.errors import DatabaseUnavailableError
from tests.e2e.command import finish
from tests.e2e.rows import ask, stored, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.command import Program
    from tests.e2e.rows import Rows, Stored
    from tests.e2e.servers import Servers

_FED, _UNDISTURBED = "fed", "undisturbed"
_LONGEST_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A whole log, in a data folder or on a broker; the embedded database is started by whoever works there, and killed."""

    program: Program
    data_dir: Path
    servers: Servers | None  # None: nothing is outside of the data folder
    ends: Mapping[int, int]  # by partition: the offset after its last record
    records_a_camera: int
    undisturbed: Stored

    def renew(self) -> None:
        """Let the kept database know what it knew after ingest, and nothing of any work."""
        with _server(self.data_dir) as server:
            server.drop_database(KEPT_DATABASE)
            tell(server.url("postgres"), f"CREATE DATABASE {KEPT_DATABASE} TEMPLATE {_FED}")

    def stored(self) -> Stored:
        """Read what the work has come to."""
        with _server(self.data_dir) as server:
            return stored(server.url(KEPT_DATABASE))

    def close(self) -> None:
        """Stop a server that a test that failed has left running."""
        if self._pid_file.exists():
            with _server(self.data_dir):
                pass

    def ask(self, statement: str) -> Rows | None:
        """Ask the running database; None: it does not answer now."""
        try:
            return ask(_server(self.data_dir).url(KEPT_DATABASE), statement)
        except (DatabaseUnavailableError, psycopg2.Error):
            return None

    def positions(self) -> Mapping[int, int] | None:
        """Return how far each partition is committed; None: that cannot be known now."""
        rows = self.ask("SELECT partition, next_offset FROM log_partition")
        return None if rows is None else dict(rows)

    def unfinished(self, positions: Mapping[int, int]) -> set[int]:
        """Return the partitions that have something to analyse."""
        return {partition for partition, end in self.ends.items() if positions[partition] < end}

    def postmaster(self) -> int | None:
        """Return the process of the database's server; None: there is none now."""
        try:
            return int(self._pid_file.read_text().split()[0])
        except FileNotFoundError:
            return None

    @property
    def _pid_file(self) -> Path:
        return self.data_dir / "postgres" / "postmaster.pid"


def prepare(program: Program, servers: Servers | None, clip: Path, cameras: int) -> Ground:
    """Fill a log with what each camera saw, and let one worker that nothing disturbs analyse it."""
    data_dir = Path(program.settings["data_dir"])
    names = [word for number in range(cameras) for word in ("--name", f"camera-{number}")]
    ended = finish(program.start("ingest", *[clip] * cameras, *names, "--start", "2026-01-05T09:00:00"), patience_s=_LONGEST_S)
    assert ended.code == 0, ended
    with _server(data_dir) as server:
        for name in (_FED, _UNDISTURBED):
            tell(server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {KEPT_DATABASE}")
        url = server.url(_UNDISTURBED)
        ends: dict[int, int] = dict(ask(url, "SELECT partition, max(last_offset) + 1 FROM session WHERE finished GROUP BY partition"))
        ended = finish(program.with_settings(database_url=url).start("worker", "--until-end"), patience_s=_LONGEST_S)
        assert ended.code == 0, ended
        each = sum(ends.values()) // cameras
        return Ground(program=program, data_dir=data_dir, servers=servers, ends=ends, records_a_camera=each, undisturbed=stored(url))


def _server(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, notice=lambda _: None)
