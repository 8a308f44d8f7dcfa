"""Two cameras of one ingest process, one of which comes later; real sockets."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, cast

import pytest

from services.feed import Feeding, FeedOptions, register, usable_sources
from services.progress import RunProgress
from tests.clips import make_clip
from tests.live import LIVE_CLIP
from tests.rtspd import RtspServer
from tests.unit.test_feed import MemoryColumn

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from services.wiring import Column

PATIENCE_S = 60.0


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def feeding(column: MemoryColumn, options: FeedOptions) -> Feeding:
    return Feeding(cast("Column", column), options, RunProgress(), column.notices.append, away_s=2.0)


def sending(column: MemoryColumn) -> set[UUID]:
    return {camera_id for camera_id, _ in column.cameras.acknowledged}


def wait_until_sent(column: MemoryColumn, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while column.cameras.cameras[name].camera_id not in sending(column):
        assert time.monotonic() < deadline, f"nothing came from {name}"
        time.sleep(0.1)


def test_a_camera_that_is_away_is_fed_once_it_is_there_while_another_sends(tmp_path: Path, free_port: int) -> None:
    clip, column = make_clip(tmp_path / "clip", LIVE_CLIP), MemoryColumn()
    with RtspServer(clip) as there:
        options = FeedOptions(
            sources=[f"rtsp://{there.address}/live", f"rtsp://127.0.0.1:{free_port}/live"], names=("door", "hall"), slot="here"
        )
        feeds = register(cast("Column", column), usable_sources(options, column.settings)[0], options)
        fed = feeding(column, options)
        with fed.running(feeds):
            wait_until_sent(column, "door")
            assert column.cameras.cameras["hall"].camera_id not in sending(column)
            with RtspServer(clip, at_port=free_port):
                wait_until_sent(column, "hall")
                fed.interrupt()
                assert fed.fed.wait(PATIENCE_S)
    assert fed.failures == []


def test_where_no_camera_sends_the_process_ends_and_says_why(free_port: int) -> None:
    column = MemoryColumn()
    options = FeedOptions(sources=[f"rtsp://127.0.0.1:{free_port}/{name}" for name in "ab"], slot="here")
    fed = feeding(column, options)
    with fed.running(register(cast("Column", column), usable_sources(options, column.settings)[0], options)):
        assert fed.fed.wait(PATIENCE_S)
    assert [getattr(failure, "kind", None) for failure in fed.failures] == ["connection_failed"] * 2
