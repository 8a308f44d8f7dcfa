"""The commit's contract: fenced, all or nothing, idempotent, and clear about what landed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import exc, text

from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import register_log
from pipeline.adapters.postgres.months import Months
from pipeline.adapters.postgres.report import PostgresReport
from pipeline.adapters.postgres.rows import bits_text, merged, visit_row
from pipeline.adapters.postgres.schema import log_partition, visit
from pipeline.errors import DatabaseUnavailableError, FencedError
from pipeline.types import BatchResult, Claim, CoverageMinute, DeadLetter, Decode, LogGap, to_us
from tests.contract.samples import NOON, a_visit, execute, query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

CAMERA = UUID(int=1)
OTHER_CAMERA = UUID(int=2)
BITS = st.integers(0, 2**60 - 1)


def minute(seconds: int, **changes: object) -> CoverageMinute:
    values: dict[str, Any] = {"camera_id": CAMERA, "minute": NOON, "seconds": seconds, **changes}
    return CoverageMinute(**values)


class Worker:
    """A worker that holds both partitions of a log."""

    def __init__(self, database: Database, facts_type: type[PostgresFacts] = PostgresFacts) -> None:
        self.log_id = register_log(database, "local:a", [0, 0])
        incarnation = enrol(database, slot="a", log_id=self.log_id)
        self.worker_id = incarnation.worker_id
        self.claims = PostgresClaims(database, incarnation, ttl_s=10)
        self.facts = facts_type(database, log_id=self.log_id, worker_id=incarnation.worker_id)
        self.claim, self.other_claim = self.claims.acquire()


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(database)


def counted(name: str) -> float:
    value = REGISTRY.get_sample_value(name)
    assert value is not None
    return value


def positions(database: Database) -> list[int]:
    return [offset for (offset,) in query(database, "SELECT next_offset FROM log_partition ORDER BY partition")]


def test_a_batch_lands_whole(database: Database, worker: Worker) -> None:
    seen = a_visit(CAMERA)
    letter = DeadLetter(partition=0, offset=3, reason="corrupt", camera_id=CAMERA, session=7, sequence=2, captured_us=to_us(NOON))
    gap = LogGap(partition=0, from_offset=1, to_offset=3, reason="retention")
    result = BatchResult(
        visits=(seen,), coverage=(minute(5, segments=2),), states={CAMERA: b"\x00state"}, dead_letters=(letter,), log_gaps=(gap,)
    )
    claim = worker.facts.commit(worker.claim, 4, result)
    assert claim == replace(worker.claim, next_offset=4)
    assert positions(database) == [4, 0]
    assert PostgresReport(database).visits([CAMERA]) == [seen]
    assert worker.facts.load(claim) == {CAMERA: b"\x00state"}
    assert query(database, "SELECT partition, log_offset, reason, session, sequence, captured_at FROM dead_letter") == [
        (0, 3, "corrupt", 7, 2, NOON)
    ]
    assert query(database, "SELECT from_offset, to_offset, reason FROM log_gap") == [(1, 3, "retention")]


def test_a_visit_without_a_good_crop_keeps_its_unknowns(database: Database, worker: Worker) -> None:
    unknown = {"age": None, "age_low": None, "age_high": None, "p_female": None, "band_probs": (), "observations": 0}
    seen = a_visit(CAMERA, age_band="unknown", gender="unknown", **unknown)
    worker.facts.commit(worker.claim, 1, BatchResult(visits=(seen,)))
    assert PostgresReport(database).visits([CAMERA], sessions=[(CAMERA, 7)]) == [seen]
    assert PostgresReport(database).visits([CAMERA], sessions=[(CAMERA, 8), (OTHER_CAMERA, 7)]) == []


def test_states_change_and_go_with_the_session(worker: Worker) -> None:
    claim = worker.facts.commit(worker.claim, 1, BatchResult(states={CAMERA: b"1", OTHER_CAMERA: b"1"}))
    claim = worker.facts.commit(claim, 2, BatchResult(states={CAMERA: b"2", OTHER_CAMERA: None}))
    assert worker.facts.load(claim) == {CAMERA: b"2"}
    assert worker.facts.load(worker.other_claim) == {}


def test_the_trail_is_what_was_set_aside_directly_before_the_position(worker: Worker) -> None:
    def letter(offset: int, **more: Any) -> DeadLetter:  # noqa: ANN401 - fields of a letter
        return DeadLetter(partition=0, offset=offset, reason="corrupt", **more)

    of_camera = letter(5, camera_id=CAMERA, session=7, sequence=2, captured_us=to_us(NOON))
    assert worker.facts.trail(worker.claim, 10) == []
    claim = worker.facts.commit(worker.claim, 6, BatchResult(dead_letters=(letter(1), letter(2), letter(4), of_camera)))
    worker.facts.commit(worker.other_claim, 6, BatchResult(dead_letters=(replace(letter(3), partition=1),)))
    assert worker.facts.trail(claim, 10) == [of_camera, letter(4)]
    assert worker.facts.trail(claim, 1) == [of_camera]
    assert worker.facts.trail(worker.facts.commit(claim, 7, BatchResult()), 10) == []


def test_a_commit_ends_a_row_of_crashes(database: Database, worker: Worker) -> None:
    execute(database, "UPDATE log_partition SET crashes = 3")
    claim = worker.facts.commit(replace(worker.claim, crashes=3), 1, BatchResult())
    assert claim.crashes == 0
    assert query(database, "SELECT crashes FROM log_partition WHERE partition = 0") == [(0,)]


def deaths(database: Database) -> Sequence[tuple[Any, ...]]:
    return query(database, "SELECT crashes, suspect_offset, suspect_count FROM log_partition ORDER BY partition")


def test_a_suspect_is_written_down_as_often_as_one_likes(database: Database, worker: Worker) -> None:
    execute(database, "UPDATE log_partition SET crashes = 3")
    for _ in range(2):
        claim = worker.facts.suspect(replace(worker.claim, crashes=3), 7, 2)
    assert claim == replace(worker.claim, crashes=3, suspect_offset=7, suspect_count=2)
    assert deaths(database) == [(3, 7, 2), (3, None, 0)]
    assert positions(database) == [0, 0]


@pytest.mark.parametrize(("stay_careful", "crashes"), [(True, 3), (False, 0)])
def test_a_commit_clears_the_suspect_and_may_keep_the_crashes(
    database: Database, worker: Worker, *, stay_careful: bool, crashes: int
) -> None:
    execute(database, "UPDATE log_partition SET crashes = 3")
    claim = worker.facts.suspect(replace(worker.claim, crashes=3), 0, 1)
    claim = worker.facts.commit(claim, 1, BatchResult(), stay_careful=stay_careful)
    assert claim == replace(worker.claim, next_offset=1, crashes=crashes)
    assert deaths(database) == [(crashes, None, 0), (3, None, 0)]
    assert worker.facts.confirm(worker.claim, 1) == claim


def test_another_claim_fences_a_suspect(database: Database, worker: Worker) -> None:
    execute(database, "UPDATE log_partition SET holder = gen_random_uuid(), epoch = epoch + 1")
    with pytest.raises(FencedError, match="partition 0: another worker"):
        worker.facts.suspect(worker.claim, 0, 1)
    assert deaths(database) == [(0, None, 0)] * 2


def test_a_suspect_of_a_position_that_has_passed_is_refused_and_the_claim_is_free(database: Database, worker: Worker) -> None:
    worker.facts.commit(worker.claim, 4, BatchResult())
    with pytest.raises(FencedError, match="its position is 4, not 0"):
        worker.facts.suspect(worker.claim, 0, 1)
    assert deaths(database) == [(0, None, 0)] * 2
    assert [(c.partition, c.next_offset) for c in worker.claims.acquire()] == [(0, 4)]


def test_another_claim_fences_a_commit(database: Database, worker: Worker) -> None:
    before = counted("headcount_fenced_total")
    execute(database, "UPDATE log_partition SET holder = gen_random_uuid(), epoch = epoch + 1")
    with pytest.raises(FencedError, match="partition 0: another worker"):
        worker.facts.commit(worker.claim, 4, BatchResult(visits=(a_visit(CAMERA),), states={CAMERA: b"x"}))
    assert PostgresReport(database).visits([CAMERA]) == []
    assert worker.facts.load(worker.claim) == {}
    assert counted("headcount_fenced_total") == before + 1


def test_a_newer_claim_of_the_same_worker_fences_the_older(worker: Worker) -> None:
    worker.claims.release(worker.claim)
    worker.claims.acquire()
    with pytest.raises(FencedError):
        worker.facts.commit(worker.claim, 4, BatchResult())


def test_a_commit_that_had_landed_is_not_written_again(database: Database, worker: Worker) -> None:
    result = BatchResult(visits=(a_visit(CAMERA),), coverage=(minute(1, segments=1),))
    landed = worker.facts.commit(worker.claim, 4, result)
    assert worker.facts.commit(worker.claim, 4, result) == landed
    assert query(database, "SELECT segments FROM coverage") == [(1,)]


def test_a_commit_from_another_position_is_refused_and_the_claim_is_free(worker: Worker) -> None:
    worker.facts.commit(worker.claim, 4, BatchResult())
    with pytest.raises(FencedError, match="its position is 4, not 0"):
        worker.facts.commit(worker.claim, 7, BatchResult())
    assert [(c.partition, c.next_offset, c.crashes) for c in worker.claims.acquire()] == [(0, 4, 0)]


def test_confirm_tells_what_landed(worker: Worker) -> None:
    assert worker.facts.confirm(worker.claim, 4).next_offset == 0
    worker.facts.commit(worker.claim, 4, BatchResult())
    assert worker.facts.confirm(worker.claim, 4).next_offset == 4
    worker.claims.release(worker.claim)
    with pytest.raises(FencedError):
        worker.facts.confirm(worker.claim, 4)


def test_a_batch_that_the_database_refuses_leaves_nothing(database: Database, worker: Worker) -> None:
    bad = BatchResult(visits=(a_visit(CAMERA), a_visit(CAMERA, gender="other")), states={CAMERA: b"x"})
    with pytest.raises(exc.IntegrityError):
        worker.facts.commit(worker.claim, 4, bad)
    assert positions(database) == [0, 0]
    assert PostgresReport(database).visits([CAMERA]) == []
    assert worker.facts.load(worker.claim) == {}


def test_a_key_that_is_stored_already_is_left_and_counted(database: Database, worker: Worker) -> None:
    before = counted("headcount_visit_conflicts_total")
    seen = a_visit(CAMERA)
    claim = worker.facts.commit(worker.claim, 1, BatchResult(visits=(seen,)))
    assert counted("headcount_visit_conflicts_total") == before
    worker.facts.commit(claim, 2, BatchResult(visits=(replace(seen, quality=0.25), a_visit(CAMERA))))
    assert counted("headcount_visit_conflicts_total") == before + 1
    assert {v.quality for v in PostgresReport(database).visits([CAMERA])} == {0.5}


class KilledInTheMiddle(PostgresFacts):
    """Loses its backend after everything is written and before the commit."""

    def _write(self, connection: Connection, partition: int, result: BatchResult) -> None:
        super()._write(connection, partition, result)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_backend_killed_in_the_middle_leaves_nothing_and_says_so(database: Database) -> None:
    worker = Worker(database, KilledInTheMiddle)
    lost = "headcount_unconfirmed_commits_total", "headcount_database_unavailable_total"
    before = [counted(name) for name in lost]
    with pytest.raises(DatabaseUnavailableError, match="does not answer"):
        worker.facts.commit(worker.claim, 4, BatchResult(states={CAMERA: b"x"}))
    assert [counted(name) for name in lost] == [number + 1 for number in before]
    assert worker.facts.confirm(worker.claim, 4) == worker.claim
    assert worker.facts.load(worker.claim) == {}


def test_idle_connections_that_died_are_replaced(database_url: str, worker: Worker) -> None:
    other = Database(database_url)
    query(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    other.close()
    with pytest.raises(DatabaseUnavailableError):
        worker.facts.commit(worker.claim, 4, BatchResult())
    assert worker.facts.confirm(worker.claim, 4) == worker.claim
    assert worker.facts.commit(worker.claim, 4, BatchResult()).next_offset == 4


class Impatient(PostgresFacts):
    """Does not wait for a lock."""

    def _advance(self, connection: Connection, claim: Claim, to_offset: int) -> bool:
        connection.execute(text("SET LOCAL lock_timeout = '10ms'"))
        return super()._advance(connection, claim, to_offset)


def test_a_zombie_inside_its_transaction_makes_others_try_again(database: Database) -> None:
    worker = Worker(database, Impatient)
    with database.transaction() as zombie:
        zombie.execute(log_partition.update().values(updated_at=NOON))
        with pytest.raises(DatabaseUnavailableError, match="a lock was not free in time"):
            worker.facts.commit(worker.claim, 1, BatchResult())
    assert worker.facts.commit(worker.claim, 1, BatchResult()).next_offset == 1


class WithoutFence(PostgresFacts):
    """The control: knows only where to write, not whether it may."""

    def _guard(self) -> tuple[ColumnElement[bool], ...]:
        return super()._guard()[:2]


@pytest.mark.parametrize(("facts_type", "doubled"), [(PostgresFacts, False), (WithoutFence, True)])
def test_only_the_fence_keeps_a_zombie_from_writing_twice(database: Database, facts_type: type[PostgresFacts], *, doubled: bool) -> None:
    zombie = Worker(database, facts_type)
    successor = Worker(database, facts_type)
    batch = BatchResult(coverage=(minute(1, segments=1),))
    successor.facts.commit(successor.claim, 1, batch)
    try:
        zombie.facts.commit(zombie.claim, 1, batch)
        refused = False
    except FencedError:
        refused = True
    assert refused is not doubled
    assert query(database, "SELECT segments FROM coverage") == [(2 if doubled else 1,)]


def test_each_month_gets_its_partition_before_its_first_visit(database: Database, worker: Worker) -> None:
    instants = [datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(1999, 5, 1, tzinfo=UTC)]
    worker.facts.commit(worker.claim, 1, BatchResult(visits=tuple(a_visit(CAMERA, started_at=at, ended_at=at) for at in instants)))
    places = query(database, "SELECT tableoid::regclass::text FROM visit ORDER BY started_at")
    assert places == [("visit_default",), ("visit_2025_12",), ("visit_2026_01",)]


def test_workers_that_make_a_month_at_once_all_succeed(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda months: months.ensure([NOON]), [Months(database) for _ in range(4)]))
    assert query(database, "SELECT to_regclass('visit_2026_11') IS NOT NULL") == [(True,)]


def test_visits_that_stand_in_the_default_partition_move_to_their_month(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(visit.insert().values(visit_row(a_visit(CAMERA))))
    assert query(database, "SELECT tableoid::regclass::text FROM visit") == [("visit_default",)]
    Months(database).ensure([NOON])
    assert query(database, "SELECT tableoid::regclass::text FROM visit") == [("visit_2026_11",)]


def test_coverage_is_the_union_and_counters_are_sums(database: Database, worker: Worker) -> None:
    first = minute(0b0110, segments=1, frames_decoded=10, frames_analysed=5, detections=2, rejected={"small": 1, "blurred": 2})
    second = minute(0b1100, segments=1, frames_decoded=20, frames_analysed=9, detections=3, rejected={"small": 4})
    claim = worker.facts.commit(worker.claim, 1, BatchResult(coverage=(first,)))
    worker.facts.commit(claim, 2, BatchResult(coverage=(second,), dead_letters=(dead(0), dead(1))))
    totals = PostgresReport(database).totals([CAMERA])
    assert (totals.segments, totals.frames_decoded, totals.frames_analysed, totals.detections, totals.seconds) == (2, 30, 14, 5, 3)
    assert totals.rejected == {"blurred": 2, "small": 5}
    assert totals.dead_letters == {"corrupt": 2}
    assert query(database, "SELECT seconds_observed FROM coverage_by_minute") == [(3,)]
    assert PostgresReport(database).totals([OTHER_CAMERA]).segments == 0


@pytest.mark.parametrize("levels", [(Decode.GATED, Decode.ALL), (Decode.ALL, Decode.GATED), (Decode.KEYFRAMES, Decode.GATED)])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_level_is_the_least_of_what_was_done(
    database: Database, worker: Worker, levels: tuple[Decode, Decode], *, at_once: bool
) -> None:
    first, second = (minute(1, level=level) for level in levels)
    claim = worker.facts.commit(worker.claim, 1, BatchResult(coverage=(first, second) if at_once else (first,)))
    worker.facts.commit(claim, 2, BatchResult(coverage=() if at_once else (second,)))
    weakest = "keyframes" if Decode.KEYFRAMES in levels else "gated"
    assert query(database, "SELECT level FROM coverage_by_minute") == [(weakest,)]


def dead(offset: int) -> DeadLetter:
    return DeadLetter(partition=0, offset=offset, reason="corrupt", camera_id=CAMERA, session=7)


@pytest.fixture
def scratch(database: Database) -> Iterator[Connection]:
    with database.transaction() as connection:
        yield connection


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(one=BITS, other=BITS)
def test_bits_survive_the_database_and_unite_there_as_here(scratch: Connection, one: int, other: int) -> None:
    statement = text("SELECT (CAST(:one AS bit(60)) | CAST(:other AS bit(60)))::text, get_bit(CAST(:one AS bit(60)), 7)")
    united, seventh = scratch.execute(statement, {"one": bits_text(one), "other": bits_text(other)}).one()
    assert united == bits_text(one | other)
    assert seventh == one >> 7 & 1


@given(st.lists(st.tuples(st.sampled_from([CAMERA, OTHER_CAMERA]), st.integers(0, 2), BITS, st.integers(0, 9))))
def test_merging_minutes_loses_nothing(entries: list[tuple[UUID, int, int, int]]) -> None:
    minutes = [
        CoverageMinute(camera_id=camera, minute=NOON + timedelta(minutes=at), seconds=bits, segments=n, rejected={"small": n})
        for camera, at, bits, n in entries
    ]
    result = merged(minutes)
    keys = [(entry.camera_id, entry.minute) for entry in result]
    assert keys == sorted({(entry.camera_id, entry.minute) for entry in minutes})
    for entry in result:
        same = [m for m in minutes if (m.camera_id, m.minute) == (entry.camera_id, entry.minute)]
        union = 0
        for part in same:
            union |= part.seconds
        total = sum(part.segments for part in same)
        assert (entry.seconds, entry.segments, entry.rejected["small"]) == (union, total, total)


def test_a_log_that_grows_gets_positions_for_its_new_partitions_only(database: Database) -> None:
    log_id = register_log(database, "local:grows", [3])
    execute(database, "UPDATE log_partition SET next_offset = 9")
    assert register_log(database, "local:grows", [4, 5]) == log_id
    assert positions(database) == [9, 5]
    assert register_log(database, "local:other", [0]) != log_id
