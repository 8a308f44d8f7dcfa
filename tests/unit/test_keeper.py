"""The watch over the embedded server, with a server and a passing of time that are written down."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pipeline.adapters.postgres.keeper import Keeper, is_server
from tests.metered import metered


@dataclass
class Server:
    """Dies when the script says so and refuses to start so many times; time passes when it is waited for."""

    dies_at: list[int]  # looks at which it is found dead
    refusals: int = 0
    others: int = 0  # tries at which another process is at it
    last: int = 10  # looks, then the watch is over
    looks: int = 0
    running: bool = True
    starts: int = 0
    told: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def runs(self) -> bool:
        self.looks += 1
        self.running = self.running and self.looks not in self.dies_at
        return self.running

    def revive(self) -> bool:
        if self.others > 0:
            self.others -= 1
            return False
        if self.refusals > 0:
            self.refusals -= 1
            raise OSError("no room\nleft on the disk")
        self.starts += 1
        self.running = True
        return True

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.looks >= self.last or len(self.pauses) > 100

    def keep(self) -> None:
        Keeper(self.runs, self.revive, self.told.append).keep(self.wait)


def test_a_server_that_runs_is_left_alone() -> None:
    server = Server(dies_at=[])
    server.keep()
    assert (server.starts, server.told) == (0, [])


def test_each_death_is_mended_and_told_in_a_line() -> None:
    restarts = metered("headcount_database_restarts_total")
    server = Server(dies_at=[2, 5])
    server.keep()
    assert server.starts == 2
    assert metered("headcount_database_restarts_total") == restarts + 2
    assert server.told == ["the embedded database had died and runs again; what was committed is kept"] * 2
    assert max(server.pauses) < 1, "it is noticed within a second"


def test_a_start_that_is_refused_at_first_is_not_worth_a_word() -> None:
    server = Server(dies_at=[1], refusals=15)
    server.keep()
    assert (server.starts, len(server.told)) == (1, 1)


def test_a_server_that_does_not_come_up_is_told_once_and_tried_ever_more_seldom() -> None:
    server = Server(dies_at=[1], refusals=40)
    server.keep()
    assert server.starts == 1
    assert server.told == [
        "the embedded database has died and does not start again: left on the disk; it is tried again and again",
        "the embedded database had died and runs again; what was committed is kept",
    ]
    trying = server.pauses[1:41]
    assert all(one <= other for one, other in pairwise(trying))
    assert (trying[0], trying[-1]) == (0.25, 30.0)


def test_another_process_that_is_at_it_is_waited_for() -> None:
    server = Server(dies_at=[1], others=50)
    server.keep()
    assert (server.starts, len(server.told), set(server.pauses)) == (1, 1, {0.25})


def test_the_end_of_the_watch_ends_the_trying() -> None:
    server = Server(dies_at=[1], refusals=10**9, last=1)
    server.keep()
    assert (server.starts, server.pauses) == (0, [0.25] * 3)


def test_only_a_living_postgres_is_a_server() -> None:
    assert not is_server(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert not is_server(ended.pid)


def test_a_dead_server_that_is_ours_is_reaped() -> None:
    """A start is refused as long as its process is in the table."""
    named = "import ctypes; ctypes.CDLL(None).prctl(15, b'postgres'); input()"
    child = subprocess.Popen([sys.executable, "-c", named], stdin=subprocess.PIPE)
    while not is_server(child.pid):
        assert child.poll() is None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is dead, and stays in the table
    assert not is_server(child.pid)
    assert not Path(f"/proc/{child.pid}").exists()
    child.communicate()
