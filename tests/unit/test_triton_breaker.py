"""The circuit breaker before Triton, by a clock that is moved."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.adapters.triton.breaker import CircuitBreaker
from pipeline.adapters.triton.failures import AwayError, NotServedError
from pipeline.errors import ConfigurationError
from tests.clocks import SteppedClock
from tests.metered import metered


class Caller:
    """Asks through a breaker, and counts how often it got through."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.breaker = CircuitBreaker(self.clock)
        self.asked = 0

    def ask(self, error: Exception | None = None) -> None:
        with self.breaker.passing():
            self.asked += 1
            if error is not None:
                raise error

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(AwayError, match="gone"):
                self.ask(AwayError("gone"))


def state() -> str:
    (shown,) = (name for name in ("closed", "half_open", "open") if metered("headcount_triton_breaker", state=name))
    return shown


def test_one_failure_is_nothing() -> None:
    caller = Caller()
    for _ in range(3):
        caller.fail()
        caller.ask()
    assert (caller.asked, state()) == (6, "closed")


def test_after_two_in_a_row_nobody_asks_until_the_pause_is_over() -> None:
    caller = Caller()
    caller.fail(5)
    assert (caller.asked, state()) == (2, "open")
    caller.clock.step(0.49)
    caller.fail()
    assert caller.asked == 2
    caller.clock.step(0.01)
    caller.ask()
    assert (caller.asked, state()) == (3, "closed")


def test_pauses_grow_up_to_five_seconds_and_begin_anew() -> None:
    caller = Caller()
    caller.fail(2)
    for pause_s in (0.5, 1.0, 2.0, 5.0, 5.0):
        caller.clock.step(pause_s - 0.01)
        before = caller.asked
        caller.fail()
        assert caller.asked == before
        caller.clock.step(0.01)
        caller.fail()
        assert caller.asked == before + 1
    caller.clock.step(5.0)
    caller.ask()
    caller.fail(2)
    caller.clock.step(0.5)
    caller.ask()


@pytest.mark.parametrize("error", [NotServedError("replaced"), ConfigurationError("broken"), RuntimeError("a bug")])
def test_whoever_gets_an_answer_closes_it_even_a_bad_one(error: Exception) -> None:
    caller = Caller()
    caller.fail(2)
    caller.clock.step(0.5)
    with pytest.raises(type(error)):
        caller.ask(error)
    caller.ask()
    assert state() == "closed"


def test_one_tries_for_all() -> None:
    caller = Caller()
    caller.fail(2)
    caller.clock.step(0.5)
    inside, over = threading.Event(), threading.Event()

    def try_it() -> None:
        with caller.breaker.passing():
            inside.set()
            assert over.wait(10)

    with ThreadPoolExecutor(1) as pool:
        trying = pool.submit(try_it)
        assert inside.wait(10)
        assert state() == "half_open"
        caller.fail(3)
        over.set()
        trying.result()
    assert caller.asked == 2
    caller.ask()


def test_those_that_were_under_way_when_it_opened_make_no_pause_longer() -> None:
    caller = Caller()
    late = [caller.breaker.passing() for _ in range(6)]
    for each in late:
        each.__enter__()
    for each in late:
        assert not each.__exit__(AwayError, AwayError("gone"), None)
    caller.clock.step(0.5)
    caller.ask()


def test_an_answer_to_one_that_was_under_way_closes_it() -> None:
    caller = Caller()
    slow = caller.breaker.passing()
    slow.__enter__()
    caller.fail(2)
    slow.__exit__(None, None, None)
    caller.ask()
    assert state() == "closed"
