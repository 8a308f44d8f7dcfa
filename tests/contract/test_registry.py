"""The registry's contract: cameras, who feeds them, and how far their sessions are in the log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.postgres.logs import register_log
from pipeline.adapters.postgres.registry import NewCameras, PostgresRegistry, camera_id_of
from pipeline.adapters.postgres.report import PostgresReport
from pipeline.errors import CameraHeldError, ConfigurationError, FencedError
from pipeline.types import Decode, Segment, SegmentKind, to_us
from tests.contract.samples import NOON, execute, query

if TYPE_CHECKING:
    from pipeline.adapters.postgres.database import Database
    from pipeline.ports import Lease

CONTENT_HASH = 2**62 + 1


def registry(database: Database, *, log: str = "local:a", partitions: int = 4, site: str = "shop") -> PostgresRegistry:
    log_id = register_log(database, log, [0] * partitions)
    return PostgresRegistry(database, log_id=log_id, new=NewCameras(site=site, time_zone="Europe/Budapest"), ttl_s=10)


def segment(lease: Lease, sequence: int, kind: SegmentKind = SegmentKind.GOP) -> Segment:
    return Segment(
        camera_id=lease.camera.camera_id,
        session=lease.session,
        sequence=sequence,
        kind=kind,
        captured_us=to_us(NOON + timedelta(seconds=40 * sequence)),
        duration_us=2_000_000,
        payload=b"x" if kind is SegmentKind.GOP else b"",
    )


def lose_to_the_ttl(database: Database) -> None:
    execute(database, "UPDATE camera SET lease_seen_at = now() - interval '1 hour'")


def test_a_camera_is_the_same_in_every_run(database: Database) -> None:
    camera = registry(database).register("door", "file:door.mp4")
    again = registry(database).register("door", "file:moved/door.mp4")
    assert camera == again
    assert camera.camera_id == camera_id_of("shop", "door")
    assert query(database, "SELECT s.name, s.time_zone, c.source FROM camera c JOIN site s USING (site_id)") == [
        ("shop", "Europe/Budapest", "file:moved/door.mp4")
    ]


def test_how_much_is_decoded_stays_with_the_camera_until_another_is_asked_for(database: Database) -> None:
    log_id = register_log(database, "local:a", [0])
    new = NewCameras(site="shop", time_zone="UTC", decode=Decode.GATED)
    cameras = PostgresRegistry(database, log_id=log_id, new=new, ttl_s=10)
    asked = [None, Decode.KEYFRAMES, None, Decode.ALL, None]
    assert [cameras.register("door", "x", decode).decode for decode in asked] == ["gated", "keyframes", "keyframes", "all", "all"]
    assert cameras.register("exit", "x", Decode.ALL).decode is Decode.ALL


def test_site_and_name_together_make_the_camera() -> None:
    assert camera_id_of("a", "door") != camera_id_of("b", "door")
    assert str(camera_id_of("default", "door")) == str(camera_id_of("default", "door"))


def test_new_cameras_go_to_the_least_loaded_partition(database: Database) -> None:
    cameras = registry(database, partitions=3)
    assert [cameras.register(name, "x").partition for name in "abcd"] == [0, 1, 2, 0]


def test_a_camera_moves_when_the_log_has_lost_its_partition(database: Database) -> None:
    wide = registry(database, partitions=3)
    assert [wide.register(name, "x").partition for name in "ab"] == [0, 1]
    narrow = registry(database, log="local:b", partitions=1)
    assert narrow.register("b", "x").partition == 0


def test_an_unknown_time_zone_is_the_users_mistake(database: Database) -> None:
    log_id = register_log(database, "local:a", [0])
    lost = PostgresRegistry(database, log_id=log_id, new=NewCameras(site="shop", time_zone="Europe/Atlantis"), ttl_s=10)
    with pytest.raises(ConfigurationError, match="HEADCOUNT_SITE_TIMEZONE: 'Europe/Atlantis'"):
        lost.register("door", "x")


def test_only_one_process_feeds_a_camera(database: Database) -> None:
    first, second = registry(database), registry(database)
    camera = first.register("door", "x")
    lease = first.lease(camera, CONTENT_HASH)
    with pytest.raises(CameraHeldError, match="'door' is fed by another process"):
        second.lease(camera, CONTENT_HASH)
    assert first.lease(camera, CONTENT_HASH) == lease
    first.release(lease)
    assert second.lease(camera, CONTENT_HASH) == lease


def test_a_silent_process_loses_its_camera_and_notices(database: Database) -> None:
    first, second = registry(database), registry(database)
    camera = first.register("door", "x")
    lost = first.lease(camera, CONTENT_HASH)
    lose_to_the_ttl(database)
    second.lease(camera, CONTENT_HASH)
    with pytest.raises(FencedError, match="'door' was taken"):
        first.acknowledge(lost, segment(lost, 0), 0)
    first.release(lost)
    with pytest.raises(ConfigurationError):
        first.lease(camera, CONTENT_HASH)


def test_acknowledging_renews_the_lease(database: Database) -> None:
    first, second = registry(database), registry(database)
    camera = first.register("door", "x")
    lease = first.lease(camera, CONTENT_HASH)
    lose_to_the_ttl(database)
    first.acknowledge(lease, segment(lease, 0), 0)
    with pytest.raises(ConfigurationError):
        second.lease(camera, CONTENT_HASH)


def test_a_file_goes_on_after_what_is_acknowledged(database: Database) -> None:
    first = registry(database)
    camera = first.register("door", "x")
    lease = first.lease(camera, CONTENT_HASH)
    assert (lease.next_sequence, lease.finished) == (0, False)
    first.acknowledge(lease, segment(lease, 0), 17)
    first.acknowledge(lease, segment(lease, 1), 19)
    resumed = first.lease(camera, CONTENT_HASH)
    assert (resumed.next_sequence, resumed.finished) == (2, False)
    first.acknowledge(resumed, segment(resumed, 2, SegmentKind.END), 20)
    assert first.lease(camera, CONTENT_HASH).finished
    assert query(database, "SELECT started_at, ended_at, last_offset FROM session") == [(NOON, NOON + timedelta(seconds=82), 20)]


@pytest.mark.parametrize(("committed", "finished"), [(21, True), (20, False)])
def test_in_a_new_log_a_file_is_finished_only_if_it_was_analysed(database: Database, committed: int, *, finished: bool) -> None:
    old = registry(database)
    camera = old.register("door", "x")
    lease = old.lease(camera, CONTENT_HASH)
    old.acknowledge(lease, segment(lease, 0), 17)
    old.acknowledge(lease, segment(lease, 1, SegmentKind.END), 20)
    execute(database, "UPDATE log_partition SET next_offset = :committed WHERE partition = :own", committed=committed, own=camera.partition)
    old.release(lease)
    resumed = registry(database, log="local:b").lease(camera, CONTENT_HASH)
    assert (resumed.next_sequence, resumed.finished) == ((2, True) if finished else (0, False))


def test_live_sessions_count_up_and_files_do_not_disturb_them(database: Database) -> None:
    cameras = registry(database)
    camera = cameras.register("door", "x")
    assert [cameras.lease(camera, session).session for session in (None, CONTENT_HASH, None, 2)] == [1, CONTENT_HASH, 2, 2]


def test_committed_is_the_partitions_position(database: Database) -> None:
    cameras = registry(database)
    assert cameras.committed(2) == 0
    execute(database, "UPDATE log_partition SET next_offset = 42 WHERE partition = 2")
    assert cameras.committed(2) == 42


def test_totals_of_a_session_are_those_of_its_minutes(database: Database) -> None:
    cameras = registry(database)
    camera = cameras.register("door", "x")
    lease = cameras.lease(camera, CONTENT_HASH)
    for sequence in range(3):
        cameras.acknowledge(lease, segment(lease, sequence), sequence)
    for minutes in (-1, 0, 1, 2):
        execute(
            database,
            "INSERT INTO coverage(camera_id, minute, seconds, level, segments) VALUES (:id, :minute, 1::bit(60), 'all', 1)",
            id=camera.camera_id,
            minute=NOON + timedelta(minutes=minutes),
        )
    report = PostgresReport(database)
    assert report.totals([camera.camera_id]).segments == 4
    assert report.totals([camera.camera_id], sessions=[(camera.camera_id, CONTENT_HASH)]).segments == 2
    assert report.totals([camera.camera_id], sessions=[(camera.camera_id, 5)]).segments == 0
