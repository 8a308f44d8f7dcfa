"""What the database says of a column: holders, signs of life, and the cameras' last minutes."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import register_log
from pipeline.adapters.postgres.status import Holding, PostgresStatus
from pipeline.types import BatchResult, CoverageMinute, DeadLetter, to_us
from tests.contract.samples import NOON, execute, seen

if TYPE_CHECKING:
    from uuid import UUID

    from pipeline.adapters.postgres.claims import Incarnation
    from pipeline.adapters.postgres.database import Database
    from pipeline.types import Claim

TTL_S = 10


class Column:
    """A log of three partitions with one worker."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log_id = register_log(database, "local:a", [0, 0, 7])
        self.incarnation = enrol(database, slot="entrance-0", log_id=self.log_id)
        self.claims = PostgresClaims(database, self.incarnation, ttl_s=TTL_S)
        self.facts = PostgresFacts(database, log_id=self.log_id, worker_id=self.incarnation.worker_id)
        self.status = PostgresStatus(database, ttl_s=TTL_S)

    def camera(self, name: str, fed_s: float | None = None) -> UUID:
        """Store a camera, whose ingest showed itself so long ago."""
        camera_id = uuid4()
        execute(self.database, "INSERT INTO site(name, time_zone) VALUES ('shop', 'UTC') ON CONFLICT DO NOTHING")
        execute(
            self.database,
            "INSERT INTO camera(camera_id, site_id, name, source, partition, lease_holder, lease_seen_at) "
            "SELECT :camera, site_id, :name, 'a file', 1, :holder, now() - make_interval(secs => :ago) FROM site",
            camera=camera_id,
            name=name,
            holder=None if fed_s is None else uuid4(),
            ago=fed_s or 0.0,
        )
        return camera_id

    def covered(self, claim: Claim, camera_id: UUID, minutes_ago: int, seconds: int) -> Claim:
        """Store so many seconds of coverage of a minute before noon, with something rejected in it."""
        minute = NOON - timedelta(minutes=minutes_ago)
        coverage = CoverageMinute(
            camera_id=camera_id, minute=minute, seconds=2**seconds - 1, rejected={"low_score": 1, "blurred": minutes_ago + 1}
        )
        return self.facts.commit(claim, claim.next_offset + 1, BatchResult(coverage=(coverage,)))


@pytest.fixture
def column(database: Database) -> Column:
    return Column(database)


def test_an_empty_database_is_no_error(database: Database) -> None:
    found = PostgresStatus(database, ttl_s=TTL_S).read(None, 10)
    assert (found.log_uid, found.partitions, found.workers, found.cameras) == (None, [], [], [])
    assert found.until - found.since == timedelta(minutes=10)


def test_each_partition_says_who_holds_it_and_where_it_stands(column: Column) -> None:
    column.claims.acquire()
    execute(column.database, "UPDATE log_partition SET holder = NULL WHERE partition = 1")
    execute(
        column.database,
        "UPDATE log_partition SET holder = :other, crashes = 3, suspect_offset = 8, suspect_count = 2 WHERE partition = 2",
        other=uuid4(),
    )
    first, second, third = column.status.read("local:a", 10).partitions
    assert (first.partition, first.holding, first.slot, first.pid, first.position) == (0, Holding.ALIVE, "entrance-0", os.getpid(), 0)
    assert (second.holding, second.slot, second.pid) == (Holding.FREE, None, None)
    assert (third.holding, third.slot, third.position) == (Holding.GONE, None, 7)
    assert (third.crashes, third.suspect_offset, third.suspect_count) == (3, 8, 2)


def test_a_worker_that_does_not_renew_is_overdue_and_so_are_its_partitions(column: Column) -> None:
    column.claims.acquire()
    seen(column.database, column.incarnation, "2 hours")
    found = column.status.read("local:a", 10)
    (worker,) = found.workers
    assert (worker.slot, worker.alive, worker.partitions) == ("entrance-0", False, 3)
    assert 7200 <= worker.seen_s < 7300
    assert {partition.holding for partition in found.partitions} == {Holding.OVERDUE}


def test_workers_that_are_long_gone_and_hold_nothing_are_not_shown(column: Column) -> None:
    def others(slot: str, ago: str) -> Incarnation:
        incarnation = enrol(column.database, slot=slot, log_id=column.log_id)
        seen(column.database, incarnation, ago)
        return incarnation

    others("long-gone", "2 hours")
    others("just-gone", "2 minutes")
    found = [(worker.slot, worker.alive) for worker in column.status.read("local:a", 10).workers]
    assert found == [("entrance-0", True), ("just-gone", False)]


def test_the_log_of_this_machine_is_meant_else_the_one_that_was_worked_on_last(column: Column, database: Database) -> None:
    register_log(database, "local:older", [0])
    execute(database, "UPDATE log_partition SET updated_at = now() - interval '1 day' WHERE log_id <> :log", log=column.log_id)
    assert column.status.read("local:older", 10).log_uid == "local:older"
    assert column.status.read("local:unknown", 10).log_uid == "local:a"
    assert column.status.read(None, 10).log_uid == "local:a"


def test_the_minutes_end_with_the_newest_that_has_coverage(column: Column) -> None:
    door, yard = column.camera("door"), column.camera("yard")
    column.camera("attic")
    claim = column.claims.acquire()[0]
    for minutes_ago, seconds in ((0, 20), (1, 60), (2, 1), (3, 60)):
        claim = column.covered(claim, door, minutes_ago, seconds)
    column.covered(claim, yard, 5, 30)
    found = column.status.read("local:a", 3)
    assert (found.since, found.until) == (NOON - timedelta(minutes=2), NOON + timedelta(minutes=1))
    shown = {camera.name: (camera.seconds, camera.last_minute) for camera in found.cameras}
    assert shown == {"attic": ((0, 0, 0), None), "door": ((1, 60, 20), NOON), "yard": ((0, 0, 0), NOON - timedelta(minutes=5))}
    assert found.rejected == {"blurred": 1 + 2 + 3, "low_score": 3}
    assert list(found.rejected) == ["blurred", "low_score"], "the most first"


def test_dead_letters_count_in_their_own_time_or_when_they_were_noticed(column: Column) -> None:
    door = column.camera("door")
    claim = column.covered(column.claims.acquire()[0], door, 0, 60)
    letters = (
        DeadLetter(partition=0, offset=1, reason="bad_header"),
        DeadLetter(partition=0, offset=2, reason="bad_header"),
        DeadLetter(partition=0, offset=3, reason="analysis_error", camera_id=door, captured_us=to_us(NOON)),
        DeadLetter(partition=0, offset=4, reason="corrupt", camera_id=door, captured_us=to_us(NOON - timedelta(hours=1))),
    )
    column.facts.commit(claim, 5, BatchResult(dead_letters=letters))
    execute(column.database, "UPDATE dead_letter SET noticed_at = now() - interval '1 day' WHERE log_offset = 2")
    assert column.status.read("local:a", 10).dead_letters == {"analysis_error": 1, "bad_header": 1}


def test_a_camera_says_when_its_ingest_was_there(column: Column) -> None:
    column.camera("door", fed_s=90)
    column.camera("yard")
    door, yard = column.status.read("local:a", 10).cameras
    assert (yard.name, yard.site, yard.partition, yard.fed_s) == ("yard", "shop", 1, None)
    assert door.fed_s is not None
    assert 90 <= door.fed_s < 120


def test_who_lives_on_a_node_is_known_by_its_process(column: Column, database: Database) -> None:
    node = socket.gethostname()
    assert column.status.living_on(node) == {os.getpid()}
    assert column.status.living_on("another") == frozenset()
    execute(database, "UPDATE worker SET seen_at = now() - interval '1 minute'")
    assert column.status.living_on(node) == frozenset()


def test_cameras_are_fed_while_their_lease_is_renewed(column: Column) -> None:
    assert column.status.cameras_fed() == 0
    column.camera("fed", 1.0)
    column.camera("left", TTL_S + 60.0)
    column.camera("never")
    assert column.status.cameras_fed() == 1
