"""Whatever a password is made of, no line of the log holds it: cameras and databases that cannot be reached, through the real code."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.registry import NewCameras, PostgresRegistry
from pipeline.backlog import Backlog
from pipeline.ingest import Ingest
from pipeline.settings import Settings
from pipeline.types import Camera
from services.logs import configure
from tests.clips import make_clip
from tests.clocks import RealClock, SteppedClock
from tests.fakes import ListSource, MemoryLog, MemoryRegistry
from tests.live import LIVE_CLIP, SETTINGS
from tests.metered import metered
from tests.rtspd import Behaviour, RtspServer
from tests.spools import NO_DISK, spool_in
from tests.unit.test_logs import as_before

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ports import Registry, SegmentSource

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8).map(lambda text: f"s3cret{text}s3cret")
CAMERA = Camera(camera_id=UUID(int=1), name="door", site="default", partition=0)
QUIETLY = hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield from as_before()


class StoppingClock(SteppedClock):
    """A clock that stops the ingest as soon as it waits."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._stop.set()


def carry(source: SegmentSource, registry: Registry, stop: threading.Event) -> None:
    clock = StoppingClock(stop)
    Ingest(log=MemoryLog(), registry=registry, clock=clock, stop=stop, backlog=Backlog(2**30), spool=NO_DISK).run(source, CAMERA)


@QUIETLY
@given(secret=SECRETS, quoted=st.booleans(), log_format=st.sampled_from(["json", "text"]))
def test_no_log_line_holds_a_camera_s_password(secret: str, quoted: bool, log_format: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001 - drawn
    configure(Settings.model_validate({"log_format": log_format, "log_level": "debug"}))
    stop = threading.Event()
    url = f"rtsp://admin:{quote(secret, safe='') if quoted else secret}@127.0.0.1:1/live"
    source = open_source(url, SourceOptions(settings=SETTINGS, clock=RealClock(), stop=stop))
    carry(source, MemoryRegistry(), stop)
    said = capsys.readouterr()
    assert "camera_offline" in said.err
    assert "session_ended" in said.err
    assert "s3cret" not in said.err + said.out


@QUIETLY
@given(secret=SECRETS, log_format=st.sampled_from(["json", "text"]))
def test_no_log_line_holds_the_database_s_password(secret: str, log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings.model_validate({"log_format": log_format, "log_level": "debug"}))
    stop = threading.Event()
    database = Database(f"postgresql://headcount:{quote(secret, safe='')}@127.0.0.1:1/rows")
    registry = PostgresRegistry(database, log_id=1, new=NewCameras(site="default", time_zone="UTC"), ttl_s=10)
    try:
        carry(ListSource([]), registry, stop)
    finally:
        database.close()
    said = capsys.readouterr()
    assert "waiting" in said.err
    assert "s3cret" not in said.err + said.out


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip", LIVE_CLIP)


def test_a_camera_that_is_lost_and_comes_back_is_counted_and_told(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_level="info"))
    stop = threading.Event()
    failures = metered("headcount_camera_failures_total", reason="connection_failed")
    with RtspServer(clip, Behaviour(close_after=25)) as server:
        url = f"rtsp://admin:s3cret@{server.address}/live"
        source = open_source(url, SourceOptions(settings=SETTINGS, clock=RealClock(), stop=stop))
        online: list[float] = []

        def on_segment(_: object) -> None:
            online.append(metered("headcount_cameras_online"))
            if metered("headcount_reconnects_total", camera="flapping door"):
                stop.set()

        registry = MemoryRegistry()
        log, backlog = MemoryLog(), Backlog(2**30)
        ingest = Ingest(
            log=log, registry=registry, clock=RealClock(), stop=stop, backlog=backlog, spool=spool_in(tmp_path), progress=on_segment
        )
        timer = threading.Timer(30, stop.set)
        timer.start()
        try:
            ingest.run(source, registry.register("flapping door", "rtsp"))
        finally:
            timer.cancel()
            source.close()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [(event["event"], event["level"], event.get("reason")) for event in events if event["event"].startswith("camera_")]
    assert told[:3] == [
        ("camera_online", "info", None),
        ("camera_offline", "warning", "connection_failed"),
        ("camera_online", "warning", None),
    ]
    assert {event["camera"] for event in events} == {"flapping door"}
    assert metered("headcount_camera_failures_total", reason="connection_failed") > failures
    assert metered("headcount_reconnects_total", camera="flapping door") >= 1
    assert max(online) == 1
    assert metered("headcount_cameras_online") == 0
    assert all("s3cret" not in json.dumps(event) for event in events)
