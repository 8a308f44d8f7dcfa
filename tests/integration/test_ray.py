"""The crew on a real Ray: every test on the same one, and those that lose it at the end."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pipeline.adapters.ray import RayCrew
from pipeline.adapters.ray_folder import RayFolder
from pipeline.errors import ClusterLostError
from pipeline.health import Health
from pipeline.ports import Absence
from tests.integration.ray_work import begin
from tests.processes import LOOPBACK, command_line, listening, living, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("ignore:subprocess [0-9]+ is still running:ResourceWarning")  # of a node that Ray has given up

PATIENCE_S = 90.0
ANSWER_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is too long for Ray's sockets."""
    return tmp_path_factory.mktemp("a_folder_with_a_name_that_is_longer_than_the_kernel_likes_it_for_sockets")


@pytest.fixture(scope="module")
def crew(data_dir: Path) -> Iterator[RayCrew]:
    """A Ray of our own, on a machine whose environment names a cluster of somebody else."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_ADDRESS", "127.0.0.1:1")
        with RayCrew(begin, address=None, data_dir=data_dir, workers=2) as crew:
            gc.collect()  # what was given up is told here, or after tests that know nothing of it
            yield crew


@pytest.fixture(autouse=True)
def _empty(crew: RayCrew) -> Iterator[None]:
    """Each test leaves its slots free."""
    yield
    try:
        crew.stop(list(crew.ask(0.0)), 0.0)
    except ClusterLostError:
        crew.rebuild()


def heard(crew: RayCrew, slot: str, fits: Callable[[Health], bool] = lambda _: True) -> Health:
    """Ask until the worker of a slot says what the test waits for."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = crew.ask(ANSWER_S)[slot]
        if isinstance(answer, Health) and fits(answer):
            return answer
        time.sleep(0.05)
    pytest.fail(f"worker {slot} has not said it within {PATIENCE_S:g} s")


def part_of_ray(name: str) -> psutil.Process:
    """Return a process of this process's Ray."""
    (found,) = named(psutil.Process().children(), name)
    return found


def test_workers_answer_and_end_in_good_order(crew: RayCrew) -> None:
    for slot in ("good-0", "good-1"):
        crew.start(slot)
    first, second = (heard(crew, slot, lambda health: bool(health.notices)) for slot in ("good-0", "good-1"))
    assert (first.notices, second.notices) == (("good-0 works",), ("good-1 works",))
    assert len({first.pid, second.pid, os.getpid()}) == 3
    last = crew.stop(["good-0", "good-1"], PATIENCE_S)
    assert all(health.ended for health in last.values())
    assert crew.ask(0.0) == {}


def test_one_that_is_killed_comes_again_by_itself(crew: RayCrew) -> None:
    crew.start("good")
    before = heard(crew, "good")
    os.kill(before.pid, signal.SIGKILL)
    after = heard(crew, "good", lambda health: health.incarnation != before.incarnation)
    assert after.pid != before.pid


def test_one_that_is_killed_while_it_is_to_end_is_told_again(crew: RayCrew) -> None:
    crew.start("good")
    before = heard(crew, "good")
    os.kill(before.pid, signal.SIGKILL)
    last = crew.stop(["good"], PATIENCE_S)["good"]
    assert last.ended
    assert last.incarnation != before.incarnation


def test_one_whose_work_fails_comes_again_by_itself(crew: RayCrew) -> None:
    crew.start("dying")
    before = heard(crew, "dying", lambda health: bool(health.notices))
    assert before.notices[0].startswith("a worker fails: ZeroDivisionError at ray_work.py:")
    heard(crew, "dying", lambda health: health.incarnation != before.incarnation)


def test_what_the_user_must_mend_is_said_and_not_tried_again(crew: RayCrew) -> None:
    crew.start("misconfigured")
    first = heard(crew, "misconfigured", lambda health: health.failure is not None)
    assert first.failure == "the model is broken"
    assert heard(crew, "misconfigured").incarnation == first.incarnation
    began = time.monotonic()
    crew.stop(["misconfigured"], PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S / 2  # nothing is waited for


@pytest.mark.parametrize("hang", ["stopped", "greedy"])
def test_one_that_hangs_is_silent_and_can_be_replaced(crew: RayCrew, hang: str) -> None:
    slot = "good" if hang == "stopped" else "greedy"
    crew.start(slot)
    if hang == "stopped":
        os.kill(heard(crew, slot).pid, signal.SIGSTOP)
    silences = 0
    while silences < 2:
        silences = silences + 1 if crew.ask(ANSWER_S)[slot] is Absence.SILENT else 0
    before = [child for child in psutil.Process().children(recursive=True) if "WorkerActor" in command_line(child)]
    crew.replace(slot)
    gone, alive = psutil.wait_procs(before, timeout=PATIENCE_S)
    assert gone or not before
    assert not alive
    if hang == "stopped":
        heard(crew, slot)


def test_it_listens_on_the_loopback_only(crew: RayCrew) -> None:
    crew.start("good")
    heard(crew, "good")
    found = listening([psutil.Process(), *psutil.Process().children(recursive=True)])
    assert len(found) >= 3  # the head, the raylet, workers
    assert {host for host, _ in found} <= LOOPBACK


def test_only_its_user_can_enter_its_folder_and_nobody_without_the_token_its_cluster(crew: RayCrew, data_dir: Path) -> None:
    assert crew.ask(0.0) == {}
    assert stat.S_IMODE((data_dir / "ray").stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "ray" / "token").stat().st_mode) == 0o600
    stranger = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print('in')"
    for token, outcome in ((data_dir / "ray" / "token", "in\n"), (data_dir / "another", "")):
        if not token.exists():
            token.write_text("0" * 64)
        environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token)}
        command = [sys.executable, "-c", stranger, crew.head]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S, check=False)
        assert ended.stdout == outcome, ended.stderr


JOINING = """
import pathlib, sys
from pipeline.adapters.ray import RayCrew
from pipeline.errors import ClusterLostError

crew = RayCrew(print, address=sys.argv[1], data_dir=pathlib.Path(), workers=1)
for step in (crew.rebuild, lambda: crew.start("good")):
    try:
        step()
    except ClusterLostError as error:
        print(error)
"""


def test_where_a_cluster_cannot_be_joined_no_other_one_is_begun(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}
        command = [sys.executable, "-c", JOINING, address]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=PATIENCE_S, check=False)
    joined, started = ended.stdout.splitlines()
    assert joined.startswith(f"the Ray cluster at {address} cannot be used: ")
    assert started == f"the Ray cluster at {address} is gone"


@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_lost_cluster_is_noticed_and_built_anew(crew: RayCrew, part: str) -> None:
    crew.start("good")
    heard(crew, "good")
    part_of_ray(part).kill()
    with pytest.raises(ClusterLostError):
        heard(crew, "good", lambda _: False)
    with pytest.raises(ClusterLostError):
        crew.start("another")
    crew.rebuild()
    assert crew.ask(0.0) == {}
    crew.start("good")
    heard(crew, "good")


def test_a_ray_that_does_not_come_up_in_time_is_ended_and_begun_anew(crew: RayCrew) -> None:
    stopped: list[psutil.Process] = []

    def stop_the_first_raylet() -> None:
        known = set(psutil.Process().children())
        while not stopped:
            stopped.extend(named(set(psutil.Process().children()) - known, "raylet"))
            time.sleep(0.001)
        stopped[0].send_signal(signal.SIGSTOP)

    with ThreadPoolExecutor() as beside:
        watched = beside.submit(stop_the_first_raylet)
        crew.rebuild()
        watched.result()
    gc.collect()  # as above
    gone, _ = psutil.wait_procs(stopped, timeout=PATIENCE_S)
    assert gone == stopped
    assert len(named(living(psutil.Process().children()), "raylet", "gcs_server")) == 2
    crew.start("good")
    heard(crew, "good")


def test_what_this_process_has_begun_is_ended_and_nobody_elses(tmp_path: Path) -> None:
    with RayFolder(tmp_path) as folder:
        begun = [
            subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)", f"--session-dir={folder.path}/session_today_{process}/x"]
            )
            for process in (os.getpid(), os.getppid())
        ]
        ours, foreign = begun
        folder.end_processes()
        assert ours.wait(PATIENCE_S) == -signal.SIGKILL
        assert foreign.poll() is None
        foreign.kill()
        foreign.wait()


def test_the_folder_of_a_process_that_is_gone_is_swept(data_dir: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = data_dir / "ray" / "s" / f"session_2026-01-01_00-00-00_000000_{ended.pid}"
    ours = list((data_dir / "ray" / "s").glob(f"session_*_{os.getpid()}"))
    left.mkdir()
    with RayFolder(data_dir):
        assert not left.exists()
        assert all(session.exists() for session in ours)
