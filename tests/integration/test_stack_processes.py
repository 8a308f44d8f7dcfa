"""The stack's processes: what is started ends with who started it, with all that it has started itself, and nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from services.stack.child import Child, Command, end_session
from services.stack.logfile import LogFile
from services.stack.processes import Identity, boot, family, lives, memory_bytes, now_ticks, process, processes, session_of
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30.0
ROOT = Path(__file__).resolve().parents[2]
# Starts a process that ignores SIGTERM, says its number, and waits.
PARENT = """
import subprocess, sys, time
stubborn = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
print(stubborn.pid, flush=True)
time.sleep(600)
"""
SUPERVISOR = """
import sys, time
from pathlib import Path
from services.stack.child import Child, Command
from services.stack.logfile import LogFile
import os
child = Child(lambda: Command(words=(sys.executable, "-c", sys.argv[2]), environment=dict(os.environ)), LogFile(path=Path(sys.argv[1])))
child.start()
print(child.identity().pid, child.identity().started_ticks, flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A process with a stubborn one of its own."""
    log = LogFile(path=tmp_path / "log")
    child = Child(lambda: Command(words=(sys.executable, "-c", PARENT), environment=dict(os.environ)), log)
    child.start()
    wait_for(lambda: bool(log.tail(1)))
    yield child
    child.kill()


def members(child: Child) -> list[psutil.Process]:
    """Return a child and its own child."""
    leader = child.identity()
    assert leader is not None
    first = psutil.Process(leader.pid)
    found = [first, *first.children(recursive=True)]
    assert len(found) == 2
    return found


def gone(those: list[psutil.Process]) -> bool:
    return not alive(those)


def test_one_that_dies_takes_with_it_what_it_had_started(child: Child) -> None:
    those = members(child)
    those[0].kill()
    wait_for(lambda: child.poll() is not None)
    assert str(child.poll()) == "was killed by SIGKILL"
    assert gone(those)
    assert child.identity() is None


def test_one_that_is_asked_to_end_takes_its_own_with_it(child: Child) -> None:
    those = members(child)
    those[0].suspend()  # also one that is stopped hears it
    child.terminate()
    wait_for(lambda: child.poll() is not None)
    assert gone(those)


def test_one_that_is_killed_is_gone_at_once(child: Child) -> None:
    those = members(child)
    child.kill()
    assert gone(those)


def test_one_can_be_started_again(child: Child) -> None:
    before = child.identity()
    child.kill()
    child.start()
    assert child.poll() is None
    assert child.identity() != before


def test_a_session_is_its_members_and_nobody_else(child: Child) -> None:
    leader = child.identity()
    assert leader is not None
    assert {one.identity.pid for one in session_of(leader, now_ticks())} == {one.pid for one in members(child)}
    assert {one.identity.pid for one in family(leader.pid, processes())} == {one.pid for one in members(child)}
    assert memory_bytes(family(leader.pid, processes())) > 2**20
    used_again = Identity(pid=leader.pid, started_ticks=leader.started_ticks - 1)
    assert session_of(used_again, now_ticks()) == []  # its number has gone to this one
    assert not lives(used_again)
    assert lives(leader)


def test_of_a_session_whose_first_process_is_gone_only_who_was_there_in_time_is_meant(child: Child) -> None:
    leader, those = child.identity(), members(child)
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    wait_for(lambda: not lives(leader))
    os.waitpid(leader.pid, 0)  # reaped: its number could be given to another one, were nobody in its session
    assert session_of(leader, leader.started_ticks - 1) == []
    assert [one.identity.pid for one in session_of(leader, now_ticks())] == [those[1].pid]
    assert end_session(leader, now_ticks()) == 1
    assert gone(those)


def test_what_is_left_may_end_in_good_order_before_it_is_killed(child: Child) -> None:
    leader, those = child.identity(), members(child)
    assert leader is not None
    began = time.monotonic()
    assert end_session(leader, now_ticks(), in_good_order_s=1.0) == 2
    assert time.monotonic() - began >= 1.0  # the stubborn one was given its time
    assert gone(those)


def test_a_supervisor_that_is_killed_leaves_nothing_that_listens_to_the_kernel(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "log"), "import time; time.sleep(600)"]
    supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert supervisor.stdout
    pid, ticks = map(int, supervisor.stdout.readline().split())
    leader = Identity(pid=pid, started_ticks=ticks)
    assert lives(leader)
    supervisor.kill()
    wait_for(lambda: not lives(leader))
    supervisor.stdout.close()
    supervisor.wait()


def test_a_program_that_is_missing_says_so_in_the_log(tmp_path: Path) -> None:
    log = LogFile(path=tmp_path / "log")
    child = Child(lambda: Command(words=("no-such-program",), environment=dict(os.environ)), log)
    child.start()
    wait_for(lambda: child.poll() is not None)
    assert str(child.poll()) == "ended with code 1"
    assert log.last_words() == "cannot start no-such-program: No such file or directory"


def test_the_boot_and_the_time_since_then_are_the_kernels() -> None:
    assert len(boot()) == 36
    me = process(os.getpid())
    assert me is not None
    assert 0 < me.identity.started_ticks <= now_ticks()
    assert process(2**22 + 1) is None
