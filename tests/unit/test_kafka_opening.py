"""Something that is opened for all who want it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.adapters.kafka.opening import Opening
from pipeline.errors import LogUnavailableError

WAITING = 4


class Door:
    """Opens, or fails, once it is let go."""

    def __init__(self) -> None:
        self.tries = 0
        self.away = False
        self.gate = threading.Event()

    def open(self) -> int:
        self.tries += 1
        self.gate.wait(10)
        if self.away:
            raise LogUnavailableError("away")
        return self.tries


@pytest.fixture
def door() -> Door:
    return Door()


def come_together(opening: Opening[int], door: Door) -> list[int | BaseException]:
    """Have several threads want it at once; return what they got."""
    came = threading.Barrier(WAITING + 1)

    def want() -> int:
        came.wait(10)
        return opening.get()

    with ThreadPoolExecutor(WAITING) as pool:
        wanting = [pool.submit(want) for _ in range(WAITING)]
        came.wait(10)
        threading.Timer(0.2, door.gate.set).start()
        return [future.exception() or future.result() for future in wanting]


def test_it_is_opened_once_for_all(door: Door) -> None:
    opening = Opening(door.open)
    assert come_together(opening, door) == [1] * WAITING
    assert opening.opened == 1


def test_where_it_cannot_be_opened_those_who_waited_do_not_try_one_after_the_other(door: Door) -> None:
    opening = Opening(door.open)
    door.away = True
    assert [str(failure) for failure in come_together(opening, door)] == ["away"] * WAITING
    assert door.tries == 1
    door.away = False
    assert opening.get() == 2


def test_what_was_dropped_is_opened_anew(door: Door) -> None:
    door.gate.set()
    opening = Opening(door.open)
    assert opening.drop() is None
    opening.get()
    assert opening.drop() == 1
    assert opening.opened is None
    assert opening.get() == 2
