from __future__ import annotations

import threading
from contextlib import closing

from pipeline.watchdog import Watchdog

LIMIT_S = 60.0


class Kennel:
    """A watchdog with a clock of the test's own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended = 0
        self.dog = Watchdog(LIMIT_S, end=self._end, monotonic=lambda: self.now)

    def _end(self) -> None:
        self.ended += 1


def test_a_thread_that_does_not_beat_ends_the_process() -> None:
    kennel = Kennel()
    with closing(kennel.dog) as dog, dog.watching():
        kennel.now = LIMIT_S
        dog.check()
        assert kennel.ended == 0
        kennel.now = LIMIT_S + 1
        dog.check()
    assert kennel.ended == 1


def test_one_that_beats_does_not_and_neither_does_one_that_has_gone() -> None:
    kennel = Kennel()
    with closing(kennel.dog) as dog:
        with dog.watching():
            kennel.now = LIMIT_S
            dog.beat()
            kennel.now = 2 * LIMIT_S
            dog.check()
        kennel.now = 10 * LIMIT_S
        dog.check()
    assert kennel.ended == 0


def test_the_beat_of_another_thread_does_not_count_for_it() -> None:
    kennel = Kennel()
    with closing(kennel.dog) as dog, dog.watching():
        kennel.now = LIMIT_S + 1
        other = threading.Thread(target=dog.beat)
        other.start()
        other.join()
        dog.check()
    assert kennel.ended == 1
