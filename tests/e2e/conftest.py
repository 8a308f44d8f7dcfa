"""What the tests of the whole column share: the demo's clip, its log, databases on one server, and the command."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from services.demo import make_demo_clip
from tests.e2e.command import Program
from tests.e2e.rows import stored, tell
from tests.shared import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.adapters.postgres.embedded import EmbeddedPostgres
    from tests.e2e.rows import Stored

YUNET = SHARED / "models" / "detect" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="session")
def headcount(server_dir: Path) -> Program:
    """The command, with YuNet where its file is at hand; start it with a data folder of the test's own."""
    detector = {"detector": "yunet", "detector_model": str(YUNET)} if YUNET.exists() else {"detector": "mtcnn"}
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(server_dir / "compiled")}  # starts in a third of the time
    return Program(settings={**detector, "ray": "false"}, environment=compiled)  # with Ray: test_ray.py and others that say so


@pytest.fixture
def data_dir(server_dir: Path) -> Path:
    """A new data folder that the embedded server's user can enter."""
    folder = Path(tempfile.mkdtemp(dir=server_dir))
    folder.chmod(0o755)
    return folder / "data"


@pytest.fixture(scope="session")
def demo_clip(server_dir: Path) -> Path:
    """The demo's clip: 11 s, three visits."""
    clip = server_dir / "demo.mp4"
    make_demo_clip(clip)
    return clip


@pytest.fixture(scope="session")
def new_database(postgres_server: EmbeddedPostgres) -> Callable[[], str]:
    """Make an empty database on the session's server."""
    return lambda: postgres_server.create_database(f"test_{uuid4().hex[:12]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """A log that holds some cameras' whole recordings, and a database that knows of them but has nothing analysed."""

    program: Program
    server: EmbeddedPostgres
    database: str

    def copy(self) -> tuple[Program, str]:
        """Return the program with a fresh copy of the database, and the copy's URL."""
        name = f"test_{uuid4().hex[:12]}"
        tell(self.server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {self.database}")
        url = self.server.url(name)
        return self.program.with_settings(database_url=url), url


@pytest.fixture(scope="session")
def fed(headcount: Program, demo_clip: Path, postgres_server: EmbeddedPostgres, server_dir: Path) -> Fed:
    """Four cameras that saw the demo's clip, each in its own partition; a commit for each of their six segments."""
    name = f"fed_{uuid4().hex[:12]}"
    program = headcount.with_settings(data_dir=server_dir / name, commit_segments=1)
    names = [word for camera in "abcd" for word in ("--name", camera)]
    program = program.with_settings(database_url=postgres_server.create_database(name))
    ended = program("ingest", *[demo_clip] * 4, *names)
    assert ended.code == 0, ended
    return Fed(program=program, server=postgres_server, database=name)


@pytest.fixture(scope="session")
def undisturbed(fed: Fed) -> Stored:
    """What one worker that nothing disturbs makes of the log."""
    program, database = fed.copy()
    ended = program("worker", "--until-end")
    assert ended.code == 0, ended
    return stored(database)
