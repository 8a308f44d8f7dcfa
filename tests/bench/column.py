"""Runs `headcount` as its users do, on chosen cores, beside a database that notes when each commit came."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import psycopg2

from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.adapters.postgres.migrate import migrate
from pipeline.settings import PREFIX
from tests.bench.measure import Cost
from tests.bench.processes import on_cores, watch
from tests.e2e.command import Program
from tests.shared import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.bench.processes import Watched

WAYS = {"in one process": ("--no-ray",), "under Ray": ()}
"""How `headcount run` can work, with its options."""

_TEMPLATE = "bench"
_LOOK_S = 0.25
_YUNET = SHARED / "models" / "detect" / "yunet_n_dynamic.onnx"
_NOTE_COMMITS = """
CREATE TABLE bench_note (at_s double precision, moved boolean, holder uuid);
CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO bench_note VALUES (extract(epoch FROM clock_timestamp()), NEW.next_offset <> OLD.next_offset, NEW.holder);
  RETURN NULL; END $$;
CREATE TRIGGER bench_note AFTER UPDATE ON log_partition FOR EACH ROW
  WHEN (NEW.next_offset <> OLD.next_offset OR NEW.epoch <> OLD.epoch) EXECUTE FUNCTION bench_note();
"""
_READ_NOTES = """
SELECT min(at_s), max(at_s) FILTER (WHERE moved), count(*) FILTER (WHERE moved),
       (SELECT max(first_s) FROM (SELECT min(at_s) AS first_s FROM bench_note WHERE holder IS NOT NULL GROUP BY holder) AS workers)
FROM bench_note
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What a run did, and what that took."""

    whole: Cost  # from the start of the process to its end
    analysis: Cost  # from the first claim of a partition (everything is loaded) to the last commit
    commits: int
    complete_s: float  # from the first claim to the last worker's first one: until then not all of them worked
    work: Mapping[str, int]  # frames_decoded, frames_analysed, detections, visits, crops_in_visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A database server and a folder, for as many runs as one likes."""

    server: EmbeddedPostgres
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def column(self, **settings: object) -> tuple[Program, Column]:
        """Return the command with a database and a data folder of its own, and where these are."""
        name = f"bench_{uuid4().hex[:12]}"
        _tell(self.server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        column = Column(url=self.server.url(name), data_dir=self.folder / name)
        program = Program(settings={**self.settings, "database_url": column.url, "data_dir": str(column.data_dir)})
        return program.with_settings(**settings), column

    def pids(self) -> list[int]:
        """Return the processes of the server."""
        postmaster = psutil.Process(int((self.folder / "server/postgres/postmaster.pid").read_text().splitlines()[0]))
        return [postmaster.pid, *(child.pid for child in postmaster.children())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Where one run's rows and segments are."""

    url: str
    data_dir: Path

    def ask(self, statement: str) -> list[tuple[float, ...]]:
        """Return the rows of a query."""
        return _tell(self.url, statement)


@contextmanager
def open_site() -> Iterator[Site]:
    """Yield a new server; the caller's own settings hold (HEADCOUNT_RUNTIME, HEADCOUNT_DETECTOR_MODEL, ...)."""
    own = {name.removeprefix(PREFIX).lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if _YUNET.exists():
        own = {"detector_model": str(_YUNET), **own}
    with tempfile.TemporaryDirectory(prefix="headcount-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's user must pass through
        with EmbeddedPostgres(folder / "server", notice=lambda _: None) as server:
            url = server.create_database(_TEMPLATE)
            migrate(url)
            _tell(url, _NOTE_COMMITS)
            yield Site(server=server, folder=folder, settings=own)


def watched_run(
    site: Site,
    program: Program,
    arguments: Sequence[str | Path],
    *,
    cores: int = 0,
    look: Callable[[], None] = lambda: None,
    beside: Sequence[int] = (),
) -> Watched:
    """Run a program, the site's server and other processes on so many cores (0: all that there are), to its good end."""
    with on_cores(cores or os.cpu_count() or 1, *site.pids(), *beside):
        watched = watch(program.start(*arguments), every_s=_LOOK_S, look=look)
    if watched.code:
        raise RuntimeError(watched.stderr)
    return watched


def analyse(
    site: Site, sources: list[Path], *flags: str, cores: int = 0, look: Callable[[], None] = lambda: None, **settings: object
) -> Analysed:
    """Run `headcount run` over sources, a camera each."""
    program, column = site.column(**settings)
    names = [word for number in range(len(sources)) for word in ("--name", f"camera-{number}")]
    watched = watched_run(site, program, ["run", *sources, *names, *flags, "--json"], cores=cores, look=look)
    ((first_s, last_s, commits, complete_s),) = column.ask(_READ_NOTES)
    document = json.loads(watched.stdout)
    totals = {name: document["totals"][name] for name in ("frames_decoded", "frames_analysed", "detections", "visits")}
    return Analysed(
        whole=Cost(wall_s=watched.wall_s, cpu_s=watched.samples[-1].cpu_s - watched.samples[0].cpu_s),
        analysis=Cost(wall_s=last_s - first_s, cpu_s=watched.cpu_between(first_s, last_s)),
        commits=int(commits),
        complete_s=complete_s - first_s,
        work={**totals, "crops_in_visits": sum(visit["observations"] for visit in document["visits"])},
    )


def _tell(url: str, statement: str) -> list[tuple[float, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
