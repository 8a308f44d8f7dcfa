"""Live cameras whose ingest is killed: a gap as long as it was away, shown as such, and nothing twice."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.types import SegmentKind, from_us
from tests.e2e.command import finish
from tests.e2e.manifest import by_camera, in_topic
from tests.e2e.paced import Paced
from tests.e2e.rows import ask
from tests.rtspd import RtspServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from pipeline.types import Segment
    from tests.e2e.command import Program
    from tests.e2e.servers import Servers

CAMERAS, PARTITIONS = 2, 4
SEGMENT_S = 1  # the clip has a keyframe a second
END_AFTER_S = 1.0
AWAY_S = 3.0
BEFORE_THE_KILL = 3  # records, of the clip's first visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What came of cameras whose ingest was killed once."""

    cameras: Mapping[UUID, Sequence[Segment]]  # in the log
    outage_s: float  # from the kill to the moment at which the last camera was asked to play again
    database_url: str

    def gap(self, camera: UUID) -> tuple[datetime, datetime]:
        """Return when nothing was seen of a camera: from the last frame before to the first one after."""
        (first, second) = self.sessions(camera).values()
        return from_us(first[-1].end_us), from_us(second[0].captured_us)

    def sessions(self, camera: UUID) -> dict[int, list[Segment]]:
        """Return a camera's video by session, in the log's order."""
        found: dict[int, list[Segment]] = {}
        for segment in self.cameras[camera]:
            if segment.kind is SegmentKind.GOP:
                found.setdefault(segment.session, []).append(segment)
        return found


@pytest.fixture(scope="module")
def rtsp(demo_clip: Path) -> Iterator[list[RtspServer]]:
    with RtspServer(demo_clip) as first, RtspServer(demo_clip) as second:
        yield [first, second]


@pytest.fixture(scope="module")
def watched(
    headcount: Program, servers: Servers, rtsp: list[RtspServer], new_migrated_database: Callable[[], str], server_dir: Path
) -> Watched:
    """Let two cameras be fed and analysed, kill their ingest, start it again in its slot, and end all in good order."""
    database_url = new_migrated_database()
    program = headcount.with_settings(
        database_url=database_url,
        data_dir=server_dir / "live",
        commit_segments=1,
        segment_target_s=SEGMENT_S,
        end_after_s=END_AFTER_S,
    )
    program = servers.column(program, PARTITIONS)
    sources = tuple(f"rtsp://{server.address}/hall" for server in rtsp)
    with Paced(program=program, database_url=database_url, sources=sources, folder=server_dir / "live-said", live=True) as paced:
        paced.wait_for_commits(BEFORE_THE_KILL)
        paced.ingest.kill()
        paced.ingest.wait()
        killed_s = time.monotonic()
        time.sleep(AWAY_S)
        paced.start_ingest()
        paced.wait_for(lambda: all(server.requests.count("PLAY") == 2 for server in rtsp), "the cameras are not asked to play again")
        outage_s = time.monotonic() - killed_s
        paced.wait_for_commits(BEFORE_THE_KILL)
        paced.ingest.send_signal(signal.SIGTERM)
        assert finish(paced.ingest).code == 0, paced.last_words("ingest")
        paced.wait_for_the_end()
    cameras = by_camera(in_topic(servers.bootstrap, program.settings["kafka_topic"]))
    assert len(cameras) == CAMERAS
    return Watched(cameras=cameras, outage_s=outage_s, database_url=database_url)


def test_the_second_connection_is_a_session_of_its_own(watched: Watched) -> None:
    for camera, segments in watched.cameras.items():
        assert len(watched.sessions(camera)) == 2
        numbers = [segment.session for segment in segments]
        assert numbers == sorted(numbers)
        assert segments[-1].kind is SegmentKind.END


def test_no_frame_time_comes_twice(watched: Watched) -> None:
    for segments in watched.cameras.values():
        seen = [segment for segment in segments if segment.kind is SegmentKind.GOP]
        for before, after in pairwise(seen):
            last_us = before.end_us - before.duration_us // before.frame_count  # at which its last frame came
            assert after.captured_us > last_us


def test_the_gap_is_the_outage_and_at_most_two_segments(watched: Watched) -> None:
    for camera in watched.cameras:
        since, to = watched.gap(camera)
        assert AWAY_S <= (to - since).total_seconds() <= watched.outage_s + 2 * SEGMENT_S


def test_no_visit_goes_across_it_though_somebody_was_there(watched: Watched) -> None:
    visits = ask(watched.database_url, "SELECT camera_id, started_at, ended_at FROM visit")
    for camera in watched.cameras:
        since, to = watched.gap(camera)
        assert to - since > timedelta(seconds=END_AFTER_S)
        own = [(started, ended) for whose, started, ended in visits if whose == str(camera)]
        assert not [visit for visit in own if visit[0] < since and visit[1] > to]
        assert [visit for visit in own if timedelta() <= since - visit[1] < timedelta(seconds=SEGMENT_S)], "somebody was seen at the last"
        assert [visit for visit in own if visit[0] >= to], "and afterwards"


def test_coverage_shows_it(watched: Watched) -> None:
    covered = "SELECT camera_id, minute + s * interval '1 second' FROM coverage, generate_series(0, 59) s WHERE get_bit(seconds, s) = 1"
    rows = ask(watched.database_url, covered)
    for camera in watched.cameras:
        since, to = watched.gap(camera)
        half = timedelta(seconds=0.5)  # the middle of a second decides
        own = [second + half for whose, second in rows if whose == str(camera)]
        assert not [middle for middle in own if since < middle < to]
        assert any(middle < since for middle in own)
        assert any(middle > to for middle in own)
