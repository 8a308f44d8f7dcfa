"""Exactly once: workers are killed and stopped where it hurts, and the rows are those of an undisturbed run.

The controls show that the comparison would notice: without the fence, and with the position apart from the facts, it must fail.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import finish, wait_until_stopped
from tests.e2e.rows import ask, assert_same, stored

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.command import Program
    from tests.e2e.conftest import Fed
    from tests.e2e.rows import Stored

COLUMNS = {"embedded": ("fed", "undisturbed"), "production": ("fed_kafka", "undisturbed_kafka")}
WORKER = (sys.executable, "-m", "tests.e2e.crash_worker")
TTL_S = 1.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A column, and what it stores where nothing disturbs it."""

    fed: Fed
    undisturbed: Stored


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """The column that the test is parametrised with."""
    fed, undisturbed = (request.getfixturevalue(name) for name in COLUMNS[request.param])
    return Place(fed=fed, undisturbed=undisturbed)


def work_to_the_end(program: Program, *arguments: str) -> int:
    """Run a worker until the log is done; return how many commits were refused."""
    ended = program.running(*WORKER)(*arguments)
    assert ended.code == 0, ended
    return int(ended.stdout)


def kill_at(program: Program, point: str, time_: int, *arguments: str) -> None:
    ended = program.running(*WORKER)("a", "--at", point, "--time", str(time_), *arguments)
    assert ended.code == -signal.SIGKILL, ended


def test_the_undisturbed_run_is_worth_comparing(fed: Fed, undisturbed: Stored) -> None:
    _, database = fed.copy()
    assert undisturbed.visits == 4 * 3
    assert len(undisturbed.exact["coverage"]) == 4
    assert undisturbed.exact["states"] == undisturbed.exact["dead_letters"] == []
    ends = ask(database, "SELECT partition, last_offset + 1 FROM session WHERE finished ORDER BY 1")
    assert undisturbed.exact["positions"] == ends


@pytest.mark.parametrize(
    ("point", "times"), [("after_claim", (3,)), ("before_commit", (2, 5)), ("after_fence", (4,)), ("after_commit", (6,))]
)
def test_killed_and_started_again_in_its_slot(fed: Fed, undisturbed: Stored, point: str, times: tuple[int, ...]) -> None:
    program, database = fed.copy()
    for number in times:
        kill_at(program, point, number)
    work_to_the_end(program, "a")
    assert_same(stored(database), undisturbed)


@contextmanager
def zombie(program: Program, database: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a worker that stops itself; yield it when others may take its partitions."""
    process = program.running(*WORKER).start("zombie", "--signal", "SIGSTOP", *arguments)
    try:
        wait_until_stopped(process)
        overdue = f"SELECT seen_at < now() - make_interval(secs => {TTL_S}) FROM worker WHERE slot = 'zombie'"
        while ask(database, overdue) != [(True,)]:
            time.sleep(POLL_S)
        yield process
    finally:
        process.kill()
        process.communicate()


def others_finish(program: Program, database: str) -> None:
    """Work in another slot until the log is done; a row that the zombie's transaction holds comes free when that times out."""
    done = "SELECT bool_and(p.next_offset > s.last_offset) FROM log_partition p JOIN session s USING (partition)"
    while ask(database, done) != [(True,)]:
        work_to_the_end(program, "heir")


def raise_again(process: subprocess.Popen[str]) -> int:
    """Let a zombie go on to its end; return how many of its commits were refused."""
    process.send_signal(signal.SIGCONT)
    ended = finish(process)
    assert ended.code == 0, ended
    return int(ended.stdout)


@pytest.mark.parametrize(
    ("place", "point", "number"),
    [
        ("embedded", "decoding", 30),
        ("embedded", "before_commit", 3),
        ("embedded", "after_fence", 3),
        ("production", "decoding", 30),
        ("production", "asking", 3),  # a request is at Triton
        ("production", "after_fence", 3),  # inside the transaction
    ],
    indirect=["place"],
)
def test_a_zombie_is_refused(place: Place, point: str, number: int) -> None:
    program, database = place.fed.copy()
    program = program.with_settings(claim_ttl_s=TTL_S, renew_s=TTL_S / 4)
    with zombie(program, database, "--at", point, "--time", str(number)) as process:
        others_finish(program, database)
        refused = raise_again(process)
    assert refused >= 1
    assert_same(stored(database), place.undisturbed)


@pytest.mark.parametrize("place", COLUMNS, indirect=True)
def test_control_without_the_fence_a_zombie_spoils_the_rows(place: Place) -> None:
    program, database = place.fed.copy()
    program = program.with_settings(claim_ttl_s=TTL_S, renew_s=TTL_S / 4)
    with zombie(program, database, "--at", "before_commit", "--time", "3", "--fence", "off") as process:
        others_finish(program, database)
        raise_again(process)
    with pytest.raises(AssertionError):
        assert_same(stored(database), place.undisturbed)
    assert stored(database).exact["coverage"] != place.undisturbed.exact["coverage"]


@pytest.mark.parametrize("place", COLUMNS, indirect=True)
def test_control_with_the_position_in_a_second_transaction_a_crash_counts_twice(place: Place) -> None:
    program, database = place.fed.copy()
    kill_at(program, "between", 3, "--fence", "apart")
    work_to_the_end(program, "a", "--fence", "apart")
    assert stored(database).exact["coverage"] != place.undisturbed.exact["coverage"]
    with pytest.raises(AssertionError):
        assert_same(stored(database), place.undisturbed)
