"""Logs that were made anew under their name: which are unclosed, and that the next worker closes them, and only them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import known_ends, positions_of, register_log, unclosed_predecessors
from pipeline.adapters.postgres.registry import NewCameras, PostgresRegistry
from pipeline.engine import Engine
from pipeline.settings import Settings
from pipeline.state import encode_state
from pipeline.types import BatchResult, CameraState, Segment, SegmentKind, Track, to_us
from services.predecessors import Heir, closing_predecessors
from tests.contract.samples import NOON, execute, query
from tests.people import HueDetector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.adapters.postgres.database import Database
    from pipeline.types import Claim

NAME = "kafka:cluster/segments"
TTL_S = 10.0
TRACK = Track(
    visit_id=UUID(int=7),
    session=1,
    started_us=to_us(NOON),
    last_us=to_us(NOON) + 3_000_000,
    hits=12,
    first_box=(0, 0, 40, 40),
    last_box=(90, 0, 130, 40),
    counted=True,
    moved=True,
    evidence=math.inf,
    number=1,
    centre_x=110.0,
    centre_y=20.0,
    height=40.0,
)
OPEN = {UUID(int=1): encode_state(CameraState(session=1, sequence=3, last_us=TRACK.last_us, size_wh=(640, 480), tracks=(TRACK,)))}


class Column:
    """A topic that is made anew now and then, and who works on it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.logs: list[int] = []
        self.engine = Engine(HueDetector(), Settings())

    def make_anew(self, name: str | None = NAME, partitions: int = 2) -> int:
        self.logs.append(register_log(self.database, f"kafka:cluster/{len(self.logs)}", [0] * partitions, name=name))
        return self.logs[-1]

    def work(self, slot: str, log_id: int, states: Mapping[UUID, bytes]) -> tuple[PostgresClaims, Claim]:
        """Commit states in partition 0 of a log and hold its claims."""
        incarnation = enrol(self.database, slot=slot, log_id=log_id)
        claims = PostgresClaims(self.database, incarnation, ttl_s=TTL_S)
        claim, *_ = claims.acquire()
        facts = PostgresFacts(self.database, log_id=log_id, worker_id=incarnation.worker_id)
        return claims, facts.commit(claim, 5, BatchResult(states=states))

    def heir(self, log_id: int, slot: str = "b") -> Heir:
        incarnation = enrol(self.database, slot=slot, log_id=log_id)
        return Heir(database=self.database, incarnation=incarnation, engine=self.engine, ttl_s=TTL_S)

    @property
    def states(self) -> list[int]:
        return [log_id for (log_id,) in query(self.database, "SELECT log_id FROM camera_state ORDER BY log_id")]


@pytest.fixture
def column(database: Database) -> Column:
    return Column(database)


def test_what_a_dead_worker_left_is_closed_by_the_next_one(column: Column) -> None:
    old = column.make_anew()
    claims, _ = column.work("a", old, OPEN)
    claims.leave()
    heir = column.heir(column.make_anew())
    assert unclosed_predecessors(column.database, heir.incarnation.log_id) == [old]
    assert not heir.close_all()
    assert heir.close_all()
    assert column.states == []
    assert query(column.database, "SELECT visit_id FROM visit") == [(TRACK.visit_id,)]
    assert query(column.database, "SELECT DISTINCT holder FROM log_partition") == [(None,)]


def test_a_partition_that_a_live_worker_holds_is_left_to_it(column: Column) -> None:
    old = column.make_anew()
    claims, claim = column.work("a", old, OPEN)
    heir = column.heir(column.make_anew())
    assert not heir.close_all()
    assert column.states == [old]
    claims.release(claim)
    assert not heir.close_all()
    assert heir.close_all()


def test_what_is_open_in_the_log_that_lives_or_in_others_is_left_alone(column: Column) -> None:
    strangers = [column.make_anew(name="kafka:cluster/other"), column.make_anew(name=None), column.make_anew(name=None)]
    for log_id in [*strangers, column.make_anew()]:
        column.work("a", log_id, OPEN)[0].leave()
    assert column.heir(column.logs[-1]).close_all()
    assert column.heir(strangers[-1]).close_all()
    assert column.states == column.logs


def test_who_still_works_with_an_older_log_does_not_take_the_new_one_for_dead(column: Column) -> None:
    old, new = column.make_anew(), column.make_anew()
    column.work("a", new, OPEN)[0].leave()
    assert column.heir(old).close_all()
    assert column.states == [new]


def test_what_ingest_sent_and_nobody_analysed_is_a_gap(column: Column) -> None:
    old = column.make_anew()
    registry = PostgresRegistry(column.database, log_id=old, new=NewCameras(site="default", time_zone="UTC"), ttl_s=TTL_S)
    lease = registry.lease(registry.register("door", "rtsp://door"), None)
    segment = Segment(camera_id=lease.camera.camera_id, session=lease.session, sequence=0, kind=SegmentKind.GAP, captured_us=0)
    registry.acknowledge(lease, segment, 8)
    assert known_ends(column.database, old) == {lease.camera.partition: 9}
    heir = column.heir(column.make_anew())
    assert unclosed_predecessors(column.database, heir.incarnation.log_id) == [old]
    heir.close_all()
    assert heir.close_all()
    assert positions_of(column.database, old)[lease.camera.partition] == 9
    gaps = query(column.database, "SELECT log_id, partition, from_offset, to_offset, reason FROM log_gap")
    assert gaps == [(old, lease.camera.partition, 0, 9, "log_replaced")]


def test_a_log_s_name_is_kept_however_often_it_is_registered(column: Column) -> None:
    log_id = column.make_anew()
    assert register_log(column.database, "kafka:cluster/0", [0, 0], name=NAME) == log_id
    assert query(column.database, "SELECT name FROM log") == [(NAME,)]


def test_it_is_done_beside_the_work_and_a_database_that_fails_ends_nothing(column: Column, database: Database) -> None:
    old = column.make_anew()
    column.work("a", old, OPEN)[0].leave()
    heir = column.heir(column.make_anew())
    with closing_predecessors(heir):
        pass
    execute(database, "ALTER TABLE log RENAME TO log_away")
    with closing_predecessors(heir):
        pass
    execute(database, "ALTER TABLE log_away RENAME TO log")
    assert column.states == []
