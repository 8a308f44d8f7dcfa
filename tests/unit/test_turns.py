"""Careful batches are alone, all others side by side; nobody waits for ever."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

from pipeline.turns import Turns

PATIENCE_S = 10


def test_turns_that_need_not_be_alone_are_side_by_side() -> None:
    turns, stop, barrier = Turns(), threading.Event(), threading.Barrier(3, timeout=PATIENCE_S)

    def meet() -> None:
        with turns.taken(stop, _nothing, alone=False):
            barrier.wait()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: meet(), range(3)))


def test_who_is_alone_is_alone_and_everyone_has_a_turn() -> None:
    turns, stop, lock, inside, taken = Turns(), threading.Event(), threading.Lock(), [0, 0], []
    random = Random(0)
    plan = [random.random() < 0.3 for _ in range(400)]

    def take(alone: bool) -> None:  # noqa: FBT001 - mapped over a plan
        with turns.taken(stop, _nothing, alone=alone) as came:
            with lock:
                inside[alone] += 1
                taken.append((came, tuple(inside)))
            os.sched_yield()  # lets others in, if they can
            with lock:
                inside[alone] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, plan))
    assert len(taken) == len(plan)
    assert all(came and (alone == 0 or (others, alone) == (0, 1)) for came, (others, alone) in taken)
    assert max(others for _, (others, _) in taken) > 1


def test_others_wait_for_who_is_alone_and_for_who_wants_to_be() -> None:
    turns, stop, entered = Turns(), threading.Event(), []
    waits = {alone: threading.Event() for alone in (True, False)}

    def take(*, alone: bool) -> None:
        with turns.taken(stop, waits[alone].set, alone=alone):
            entered.append(alone)

    with ThreadPoolExecutor(2) as pool, turns.taken(stop, _nothing, alone=False):
        pool.submit(take, alone=True)
        assert waits[True].wait(PATIENCE_S)
        pool.submit(take, alone=False)
        assert waits[False].wait(PATIENCE_S)
        assert entered == []
    assert sorted(entered) == [False, True]
    waits[False].clear()
    with ThreadPoolExecutor(1) as pool, turns.taken(stop, _nothing, alone=True):
        pool.submit(take, alone=False)
        assert waits[False].wait(PATIENCE_S)
        assert len(entered) == 2
    assert len(entered) == 3


def test_a_stop_ends_the_wait_and_the_waiting_one_beats() -> None:
    turns, stop, beats = Turns(), threading.Event(), []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 2:
            stop.set()

    with turns.taken(stop, _nothing, alone=False), turns.taken(stop, beat, alone=True) as came:
        assert not came
    assert len(beats) == 2
    with turns.taken(stop, _nothing, alone=False) as came:
        assert came, "nobody is alone: a turn is there although the worker stops"


def _nothing() -> None:
    """Beat for nobody."""
