"""Looks that are made again and again, and soon where somebody wants one."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.kafka.rounds import Rounds
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Looks:
    """What is looked at: fails where it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.failures: deque[Exception] = deque()
        self.gate = threading.Event()
        self.gate.set()
        self.told = threading.Semaphore(0)

    def look(self) -> None:
        self.count += 1
        self.gate.wait(10)
        if self.failures:
            raise self.failures.popleft()


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def rounds(looks: Looks) -> Iterator[Rounds]:
    rounds = Rounds("looking", looks.look, every_s=lambda: None, soon_s=0.0, on_look=looks.told.release)
    yield rounds
    looks.gate.set()
    rounds.close()


def test_nobody_looks_where_nobody_wants_it(looks: Looks, rounds: Rounds) -> None:
    rounds.want(rounds.looked_s)
    assert looks.count == 0


def test_who_waits_gets_a_look_that_began_later(looks: Looks, rounds: Rounds) -> None:
    for count in (1, 2, 3):
        since_s = time.monotonic()
        rounds.wait(since_s, 10)
        assert rounds.looked_s >= since_s
        assert looks.count == count
    rounds.wait(rounds.looked_s, 10)
    assert looks.count == 3
    assert looks.told.acquire(timeout=10)


def test_who_waits_is_told_the_failure_and_the_next_look_may_succeed(looks: Looks, rounds: Rounds) -> None:
    looks.failures.append(ConfigurationError("no permission"))
    with pytest.raises(ConfigurationError, match="no permission"):
        rounds.wait(time.monotonic(), 10)
    assert rounds.trouble is not None
    rounds.wait(time.monotonic(), 10)
    assert rounds.trouble is None


def test_a_look_that_takes_too_long_is_not_waited_for(looks: Looks, rounds: Rounds) -> None:
    looks.gate.clear()
    with pytest.raises(LogUnavailableError, match=r"looking: no answer from the brokers within 0\.05 s"):
        rounds.wait(time.monotonic(), 0.05)
    assert rounds.trouble is not None, "the next one would wait as long"
    looks.gate.set()
    rounds.wait(time.monotonic(), 10)
    assert rounds.trouble is None


def test_a_bug_ends_the_thread_and_everybody_is_told(looks: Looks, rounds: Rounds) -> None:
    looks.failures.append(ZeroDivisionError())
    for _ in range(2):
        with pytest.raises(HeadcountError, match="looking: its thread died of ZeroDivisionError"):
            rounds.wait(time.monotonic(), 10)
    assert rounds.death is not None


def test_looks_are_made_at_their_time(looks: Looks) -> None:
    rounds = Rounds("looking", looks.look, every_s=lambda: 0.0, soon_s=0.0, on_look=looks.told.release)
    for _ in range(3):
        assert looks.told.acquire(timeout=10)
    rounds.close()
    count = looks.count
    rounds.want(time.monotonic())
    assert looks.count == count
