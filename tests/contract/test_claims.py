"""The claims' contract: who may write a partition, and when another may take it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.postgres.claims import Incarnation, PostgresClaims, enrol
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import register_log
from pipeline.errors import FencedError, SupersededError
from pipeline.types import BatchResult
from tests.contract.samples import execute, query, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

TTL_S = 0.1  # shorter than the test server's age; workers are aged by hand
ALIVE = "-1 hour"
DEAD = "1 hour"


@pytest.fixture
def log_id(database: Database) -> int:
    return register_log(database, "local:a", [0, 0, 5, 0])


def worker(database: Database, log_id: int, slot: str) -> tuple[PostgresClaims, Incarnation]:
    incarnation = enrol(database, slot=slot, log_id=log_id)
    seen(database, incarnation, ALIVE)
    return PostgresClaims(database, incarnation, ttl_s=TTL_S), incarnation


def test_one_worker_claims_every_partition_at_its_position(database: Database, log_id: int) -> None:
    claims, _ = worker(database, log_id, "a")
    found = claims.acquire()
    assert [(c.partition, c.epoch, c.next_offset, c.crashes) for c in found] == [(0, 1, 0, 0), (1, 1, 0, 0), (2, 1, 5, 0), (3, 1, 0, 0)]
    assert claims.acquire() == []


def test_two_workers_share_fairly_and_never_hold_one_partition(database: Database, log_id: int) -> None:
    (first, _), (second, _) = worker(database, log_id, "a"), worker(database, log_id, "b")
    mine, others = first.acquire(), second.acquire()
    assert [c.partition for c in mine] == [0, 1]
    assert [c.partition for c in others] == [2, 3]
    assert first.acquire() == []


def test_claims_whose_answer_was_lost_are_returned_by_the_next_call(database: Database, log_id: int) -> None:
    unheard, incarnation = worker(database, log_id, "a")
    unheard.acquire()
    again = PostgresClaims(database, incarnation, ttl_s=TTL_S)
    assert [c.partition for c in again.acquire()] == [0, 1, 2, 3]
    assert again.acquire() == []


def test_workers_of_another_log_do_not_count(database: Database, log_id: int) -> None:
    other_log = register_log(database, "local:b", [0, 0])
    worker(database, other_log, "b")
    claims, _ = worker(database, log_id, "a")
    assert len(claims.acquire()) == 4


def test_a_newcomer_makes_a_surplus_that_it_gets_after_release(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    held = first.acquire()
    assert first.surplus(len(held)) == 0
    second, _ = worker(database, log_id, "b")
    assert second.acquire() == []
    assert first.surplus(len(held)) == 2
    for claim in held[:2]:
        first.release(claim)
    assert [c.partition for c in second.acquire()] == [0, 1]


def test_a_silent_worker_loses_its_partitions_after_the_ttl(database: Database, log_id: int) -> None:
    first, incarnation = worker(database, log_id, "a")
    held = first.acquire()
    second, _ = worker(database, log_id, "b")
    assert second.acquire() == []
    seen(database, incarnation, DEAD)
    taken = second.acquire()
    assert [(c.partition, c.epoch, c.crashes) for c in taken] == [(p, 2, 1) for p in range(4)]
    with pytest.raises(FencedError):
        PostgresFacts(database, log_id=log_id, worker_id=incarnation.worker_id).commit(held[0], 9, BatchResult())


def test_after_a_restart_of_the_server_nobody_is_overdue(database: Database, log_id: int) -> None:
    first, incarnation = worker(database, log_id, "a")
    first.acquire()
    seen(database, incarnation, DEAD)
    newcomer = enrol(database, slot="b", log_id=log_id)
    longer_than_the_server_lives_s = 86_400 * 365
    seen(database, incarnation, "10 years")
    assert PostgresClaims(database, newcomer, ttl_s=longer_than_the_server_lives_s).acquire() == []
    assert len(PostgresClaims(database, newcomer, ttl_s=TTL_S).acquire()) == 4


def test_a_successor_in_the_slot_takes_over_at_once(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    first.acquire()
    successor, _ = worker(database, log_id, "a")
    assert [c.crashes for c in successor.acquire()] == [1, 1, 1, 1]


def test_a_superseded_worker_is_told_and_claims_nothing(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    first.renew()
    worker(database, log_id, "a")
    with pytest.raises(SupersededError, match="slot 'a'"):
        first.renew()
    assert first.acquire() == []


def test_release_frees_without_counting_a_crash(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    for claim in first.acquire():
        first.release(claim)
    assert [(c.epoch, c.crashes) for c in first.acquire()] == [(2, 0)] * 4


def test_what_is_known_of_deaths_is_handed_on_and_a_release_keeps_it(database: Database, log_id: int) -> None:
    first, incarnation = worker(database, log_id, "a")
    held = first.acquire()
    PostgresFacts(database, log_id=log_id, worker_id=incarnation.worker_id).suspect(held[2], 7, 2)
    execute(database, "UPDATE log_partition SET crashes = 3")
    first.release(held[2])
    successor, _ = worker(database, log_id, "a")
    found = [(c.next_offset, c.crashes, c.suspect_offset, c.suspect_count) for c in successor.acquire()]
    assert found == [(0, 4, None, 0), (0, 4, None, 0), (5, 3, 7, 2), (0, 4, None, 0)]


def test_release_of_a_lost_claim_does_nothing(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    held = first.acquire()
    successor, _ = worker(database, log_id, "a")
    successor.acquire()
    first.release(held[0])
    assert query(database, "SELECT count(*) FROM log_partition WHERE holder IS NULL") == [(0,)]


def test_a_worker_that_leaves_frees_its_share_at_once(database: Database, log_id: int) -> None:
    first, _ = worker(database, log_id, "a")
    first.acquire()
    second, _ = worker(database, log_id, "b")
    first.leave()
    assert len(second.acquire()) == 4


def test_renewing_keeps_a_worker_alive(database: Database, log_id: int) -> None:
    first, incarnation = worker(database, log_id, "a")
    seen(database, incarnation, DEAD)
    first.renew()
    assert query(database, "SELECT now() - seen_at < interval '1 minute' FROM worker") == [(True,)]


@pytest.fixture
def crowd(database_url: str) -> Iterator[list[Database]]:
    databases = [Database(database_url, pool_size=1) for _ in range(6)]
    yield databases
    for database in databases:
        database.close()


def test_many_workers_at_once_claim_each_partition_once(database: Database, crowd: list[Database]) -> None:
    log_id = register_log(database, "local:crowd", [0] * 32)
    workers = [worker(each, log_id, f"slot-{number}")[0] for number, each in enumerate(crowd)]
    for round_ in range(1, 6):
        with ThreadPoolExecutor(len(workers)) as pool:
            found = [claim for claims in pool.map(PostgresClaims.acquire, workers) for claim in claims]
        assert len({claim.partition for claim in found}) == len(found)
        assert {(claim.epoch, claim.crashes) for claim in found} <= {(epoch, 0) for epoch in range(1, round_ + 1)}
        execute(database, "UPDATE log_partition SET holder = NULL")
