"""Lossless ingest: brokers, Triton and ingest die or fall silent while recordings come in; afterwards nothing is missing.

`--outage-seconds` says for how long; the recordings are as long as that asks for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.postgres.embedded import EmbeddedPostgres
from pipeline.settings import load_settings
from services.follow import segments_of
from tests.bench.material import repeated
from tests.e2e.command import finish
from tests.e2e.manifest import by_camera, in_topic, of_clip, without_repeats
from tests.e2e.paced import Paced
from tests.e2e.rows import ask, assert_same, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.command import Program
    from tests.e2e.rows import Stored
    from tests.e2e.servers import Servers

CAMERAS, PARTITIONS = 4, 8
SEGMENT_S = 1
ROOM_S = 10  # of video before and after an outage
PATIENCE_S = 300
MOST_GROWTH = 48 * 2**20  # bytes


@pytest.fixture(scope="module")
def outage_s(pytestconfig: pytest.Config) -> float:
    return float(pytestconfig.getoption("--outage-seconds"))


@pytest.fixture(scope="module")
def clip(demo_clip: Path, outage_s: float, server_dir: Path) -> Path:
    """The demo's clip, again and again."""
    return repeated(demo_clip, server_dir / "paced.mp4", outage_s + ROOM_S)


@pytest.fixture(scope="module")
def program(headcount: Program) -> Program:
    return headcount.with_settings(commit_segments=1, segment_target_s=SEGMENT_S, claim_ttl_s=3, renew_s=0.5)


@pytest.fixture(scope="module")
def whole(program: Program, clip: Path, server_dir: Path) -> Stored:
    """What the embedded column stores of the recordings, undisturbed."""
    data_dir = server_dir / "outages-whole"
    names = [word for number in range(CAMERAS) for word in ("--name", f"camera-{number}")]
    ended = finish(program.with_settings(data_dir=data_dir).start("run", *[clip] * CAMERAS, *names, "--keep"), PATIENCE_S)
    assert ended.code == 0, ended
    with EmbeddedPostgres(data_dir, notice=lambda _: None) as server:
        return stored(server.url("headcount"))


@pytest.fixture
def paced(program: Program, servers: Servers, clip: Path, database_url: str, data_dir: Path) -> Iterator[Paced]:
    """Cameras and a worker on servers that may be killed."""
    program = servers.column(program.with_settings(database_url=database_url, data_dir=data_dir), PARTITIONS)
    with Paced(program=program, database_url=database_url, sources=(clip,) * CAMERAS, folder=data_dir.parent / "said") as paced:
        paced.wait_for_commits(2)
        yield paced


def broker_killed(paced: Paced, servers: Servers, outage_s: float) -> None:
    del paced
    with servers.broker_killed():
        time.sleep(outage_s)


def broker_silent(paced: Paced, servers: Servers, outage_s: float) -> None:
    del paced
    with servers.broker_stopped():
        time.sleep(outage_s)


def ingest_killed(paced: Paced, servers: Servers, outage_s: float) -> None:
    """Kill it twice, the second time as soon as it has gone on."""
    del servers
    for pause_s in (outage_s / 4, 0):
        paced.ingest.kill()
        paced.ingest.wait()
        time.sleep(pause_s)
        paced.start_ingest()
        paced.wait_for_commits(1)


def ingest_and_broker_killed(paced: Paced, servers: Servers, outage_s: float) -> None:
    with servers.broker_killed():
        paced.ingest.kill()
        paced.ingest.wait()
        time.sleep(outage_s / 2)
    paced.start_ingest()


@pytest.mark.parametrize("outage", [broker_killed, broker_silent, ingest_killed, ingest_and_broker_killed])
def test_nothing_is_missing_after(
    outage: Callable[[Paced, Servers, float], None], paced: Paced, servers: Servers, outage_s: float, clip: Path, whole: Stored
) -> None:
    outage(paced, servers, outage_s)
    paced.wait_for_the_end()
    found = stored(paced.database_url)
    assert found.repeats == repeats_of_a_whole_feed(paced, servers, clip)
    assert_same(found.of_the_video(), whole.of_the_video())


def repeats_of_a_whole_feed(paced: Paced, servers: Servers, clip: Path) -> int:
    """Check that each camera's log is its recording, but for repeats next to each other; return how many these are."""
    wanted = of_clip(clip, segment_target_s=SEGMENT_S)
    cameras = by_camera(in_topic(servers.bootstrap, paced.program.settings["kafka_topic"]))
    assert len(cameras) == CAMERAS
    for segments in cameras.values():
        assert without_repeats(segments) == wanted
    return sum(len(segments) - len(wanted) for segments in cameras.values())


def test_control_the_manifest_notices_what_is_missing_and_what_stands_twice_apart(clip: Path) -> None:
    segments = list(segments_of(str(clip), load_settings(segment_target_s=SEGMENT_S), lambda _: None))
    wanted = of_clip(clip, segment_target_s=SEGMENT_S)
    first, second, third, *rest = segments
    assert len(wanted) > ROOM_S / SEGMENT_S
    assert without_repeats([first, second, second, third, *rest]) == wanted
    assert without_repeats([first, third, *rest]) != wanted
    assert without_repeats([first, second, first, third, *rest]) != wanted


def test_while_triton_is_away_the_lag_grows_and_memory_does_not(paced: Paced, servers: Servers, outage_s: float, whole: Stored) -> None:
    before = paced.worker_memory()
    lags, sizes = [], []
    with servers.triton_killed():
        until = time.monotonic() + outage_s
        while time.monotonic() < until:
            lags.append(paced.lag())
            sizes.append(paced.worker_memory())
            time.sleep(0.5)
    assert lags[-1] >= lags[0] + CAMERAS * (outage_s / SEGMENT_S - 2) / 2
    assert max(sizes) - before < MOST_GROWTH, (before, sizes)
    paced.wait_for_the_end()
    assert_same(stored(paced.database_url).of_the_video(), whole.of_the_video())


COVERED = "SELECT camera_id, minute + s * interval '1 second' FROM coverage, generate_series(0, 59) s WHERE get_bit(seconds, s) = 1"


def test_a_topic_that_is_deleted_and_made_anew_is_fed_again_or_leaves_a_gap(
    paced: Paced, servers: Servers, outage_s: float, whole: Stored
) -> None:
    servers.make_topic_anew(paced.program)
    paced.wait_for(lambda: ask(paced.database_url, "SELECT count(*) FROM log") == [(2,)], "nobody opens the new topic")
    paced.wait_for_the_end()
    found = stored(paced.database_url)
    assert len(ask(paced.database_url, COVERED)) == CAMERAS * (outage_s + ROOM_S) or found.exact["gaps"]
    assert not found.exact["states"]
    assert found.visits >= whole.visits
