"""What the tests of the whole column share: the demo's clip, its log, databases on one server, and the command."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pipeline.adapters.postgres.migrate import migrate
from services.demo import make_demo_clip
from tests.e2e.command import Program
from tests.e2e.rows import ask, stored, tell
from tests.e2e.servers import Servers
from tests.shared import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.adapters.postgres.embedded import EmbeddedPostgres
    from tests.e2e.rows import Stored
    from tests.servers.kafka import KafkaServers
    from tests.servers.triton import TritonServers

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


@pytest.fixture(scope="session")
def new_migrated_database(new_database: Callable[[], str]) -> Callable[[], str]:
    """Make a database that has the tables."""

    def make() -> str:
        url = new_database()
        migrate(url)
        return url

    return make


@pytest.fixture(scope="session")
def servers(kafka_servers: KafkaServers, triton_servers: TritonServers) -> Iterator[Servers]:
    """A Kafka broker and a Triton that tests kill; each leaves them running."""
    with kafka_servers() as kafka, triton_servers() as triton:
        yield Servers(kafka=kafka, triton=triton)


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


def feed(program: Program, clip: Path, server: EmbeddedPostgres) -> Fed:
    """Let four cameras see a clip, each in its own partition; a commit for each of their six segments."""
    name = f"fed_{uuid4().hex[:12]}"
    program = program.with_settings(commit_segments=1, database_url=server.create_database(name))
    ended = program("ingest", *[clip] * 4, *[word for camera in "abcd" for word in ("--name", camera)])
    assert ended.code == 0, ended
    return Fed(program=program, server=server, database=name)


def analyse(fed: Fed) -> Stored:
    """Return what one worker that nothing disturbs makes of the log."""
    program, database = fed.copy()
    ended = program("worker", "--until-end")
    assert ended.code == 0, ended
    return stored(database)


@pytest.fixture(scope="session")
def fed(headcount: Program, demo_clip: Path, postgres_server: EmbeddedPostgres, server_dir: Path) -> Fed:
    """Four cameras that saw the demo's clip, in the embedded log."""
    return feed(headcount.with_settings(data_dir=server_dir / "fed"), demo_clip, postgres_server)


@pytest.fixture(scope="session")
def undisturbed(fed: Fed) -> Stored:
    return analyse(fed)


@pytest.fixture(scope="session")
def fed_kafka(headcount: Program, demo_clip: Path, postgres_server: EmbeddedPostgres, server_dir: Path, servers: Servers) -> Fed:
    """The same cameras in a topic; their crops go to Triton."""
    program = servers.column(headcount.with_settings(data_dir=server_dir / "fed-kafka"), partitions=4)
    fed = feed(program, demo_clip, postgres_server)
    assert ask(postgres_server.url(fed.database), "SELECT 1 FROM log WHERE log_uid LIKE 'kafka:%'")
    return fed


@pytest.fixture(scope="session")
def undisturbed_kafka(fed_kafka: Fed, servers: Servers) -> Stored:
    before = servers.crops_answered()
    undisturbed = analyse(fed_kafka)
    assert servers.crops_answered() > before
    return undisturbed
