from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import HeadcountError, TransientError
from pipeline.health import Health
from services.elsewhere import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Others:
    """Workers elsewhere: at each look one more record of the one partition is stored, and somebody else appends another."""

    at: int = 10  # committed, and one segment each
    end: int = 14
    away: int = 0  # so many looks find nobody
    ended_at: int | None = None  # the workers end when so much is stored
    looks: int = 0
    fed: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    told: list[Health] = field(default_factory=list)

    def stored(self) -> Health:
        if self.away and self.looks:
            self.away -= 1
            raise TransientError("the database is away")
        self.looks += 1
        self.at += self.looks > 1
        self.end += 1
        return Health(incarnation="", pid=0, segments=self.at, frames=10 * self.at, faces=2 * self.at, visits=self.at // 4)

    def ends(self) -> Mapping[int, int]:
        return {3: self.end}

    def committed(self, partition: int) -> int:
        assert partition == 3
        return self.at

    def require_workers(self) -> None:
        if self.ended_at == self.at:
            raise HeadcountError("the stack has ended")

    def wait(self) -> None:
        stop = _Impatient(self.stop)
        Elsewhere(self, fed=self.fed, stop=stop, tell=self.told.append, require_workers=self.require_workers).wait()


class _Impatient(threading.Event):
    """Is set when another event is; nobody waits for it."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return self._other.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        return self._other.is_set()


def test_what_was_fed_is_waited_for_and_not_what_others_feed_meanwhile() -> None:
    others = Others()
    others.fed.set()
    others.wait()
    assert others.at == 16  # the end when nothing more was fed was 15; a last look follows
    assert others.end > 20


def test_only_what_was_stored_since_the_beginning_is_told() -> None:
    others = Others()
    others.fed.set()
    others.wait()
    assert [told.segments for told in others.told] == [1, 2, 3, 4, 5, 6]
    assert (others.told[-1].frames, others.told[-1].faces, others.told[-1].visits) == (60, 12, 2)


def test_while_it_is_fed_nothing_is_done() -> None:
    others = Others(ended_at=40)
    with pytest.raises(HeadcountError, match="the stack has ended"):
        others.wait()


def test_a_database_that_is_away_is_waited_for() -> None:
    others = Others(away=5)
    others.fed.set()
    others.wait()
    assert others.away == 0
    assert others.told[-1].segments == 6


def test_whoever_says_stop_is_not_kept_waiting() -> None:
    others = Others()
    others.stop.set()
    others.wait()
    assert len(others.told) == 1


def test_workers_that_end_are_noticed() -> None:
    others = Others(ended_at=12)
    others.fed.set()
    with pytest.raises(HeadcountError, match="the stack has ended"):
        others.wait()
