"""`headcount run` and `headcount worker` under Ray: the rows of the loop in one process, whoever is killed, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.e2e.command import ROOT, finish
from tests.e2e.rows import ask, assert_same, stored
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.command import Program
    from tests.e2e.conftest import Fed
    from tests.e2e.rows import Stored

PATIENCE_S = 120.0
POLL_S = 0.1
RAY = str(Path(sys.executable).parent / "ray")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


def actors(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers of a command."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.cmdline()[:1] == ["ray::WorkerActor"]:
                    found.append(child)
    return found


def analysed(database: str) -> int:
    return int(ask(database, "SELECT coalesce(sum(next_offset), 0) FROM log_partition")[0][0])


def test_workers_under_ray_store_what_one_process_stores(fed: Fed, undisturbed: Stored) -> None:
    program, database = fed.copy()
    ended = finish(program.with_settings(actors=2).start("worker", "--address", "local", "--until-end"), PATIENCE_S)
    assert ended.code == 0, ended
    assert_same(stored(database), undisturbed)
    workers = ask(database, "SELECT count(*) FROM worker")
    assert workers == [(0,)]  # they have left in good order


def test_a_run_under_ray_is_the_run_of_one_process_and_leaves_no_process(
    headcount: Program, demo_clip: Path, data_dir: Path, new_database: Callable[[], str]
) -> None:
    databases = {ray: new_database() for ray in ("--ray", "--no-ray")}
    workers: dict[str, set[psutil.Process]] = {}
    for ray, database in databases.items():
        program = headcount.with_settings(data_dir=data_dir.parent / ray, database_url=database, commit_segments=1)
        process = program.start("run", demo_clip, "--json", ray)
        started: set[psutil.Process] = set()
        while process.poll() is None and len(started) < 2:
            started |= set(actors(process))
        ended = finish(process, PATIENCE_S)
        assert ended.code == 0, ended
        assert json.loads(ended.stdout)["totals"]["visits"] == 3
        workers[ray] = started
    assert (len(workers["--ray"]), len(workers["--no-ray"])) == (2, 0)
    wait_for(lambda: not alive(workers["--ray"]))
    assert_same(stored(databases["--ray"]), stored(databases["--no-ray"]))


def test_a_worker_that_is_killed_or_hangs_changes_nothing_but_a_line_on_stderr(
    headcount: Program, demo_clip: Path, data_dir: Path, new_database: Callable[[], str]
) -> None:
    database, reference = new_database(), new_database()
    program = headcount.with_settings(commit_segments=1, claim_ttl_s=3, renew_s=0.5)
    undisturbed = program.with_settings(data_dir=data_dir.parent / "reference", database_url=reference)("run", demo_clip)
    assert undisturbed.code == 0, undisturbed
    process = program.with_settings(data_dir=data_dir, database_url=database).start("run", demo_clip, "--pace", "--json", "--ray")
    wait_for(lambda: len(actors(process)) == 2 and analysed_so_far(database) > 0)
    killed, stopped = actors(process)
    killed.send_signal(signal.SIGKILL)
    stopped.send_signal(signal.SIGSTOP)
    ended = finish(process, PATIENCE_S)
    assert ended.code == 0, ended
    assert json.loads(ended.stdout)["totals"]["visits"] == 3  # and nothing else was written there
    assert "died; it is started again" in ended.stderr
    assert_same(stored(database), stored(reference))


def analysed_so_far(database: str) -> int:
    """Return how many records are analysed; 0 while the tables are being made."""
    return analysed(database) if ask(database, "SELECT to_regclass('log_partition')") != [(None,)] else 0


def test_ctrl_c_on_the_whole_group_ends_it_in_good_order(
    headcount: Program, demo_clip: Path, data_dir: Path, new_database: Callable[[], str]
) -> None:
    database = new_database()
    program = headcount.with_settings(data_dir=data_dir, database_url=database, commit_segments=1)
    process = program.start("run", demo_clip, "--pace", "--ray")
    wait_for(lambda: len(actors(process)) == 2 and analysed_so_far(database) > 0)
    workers = actors(process)
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process, PATIENCE_S)
    assert ended.code == 0, ended
    assert "interrupted" in ended.stdout
    assert "died" not in ended.stderr
    wait_for(lambda: not alive(workers))


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Start a Ray as an operator does; yield its address and what who joins must have in its environment."""
    token = folder / "token"
    token.write_text("5" * 64)
    token.chmod(0o600)
    joining = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [RAY, "start", "--head", "--block", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder / 'r'}"]
    options = ["--num-cpus=4", "--node-ip-address=127.0.0.1", f"--object-store-memory={80 * 2**20}", "--disable-usage-stats"]
    process = subprocess.Popen(
        [*command, *options], env={**os.environ, **joining}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for((folder / "r" / "ray_current_cluster").exists)
        yield f"127.0.0.1:{port}", joining
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


def test_workers_join_a_cluster_and_grow_with_the_lag(fed: Fed, undisturbed: Stored, server_dir: Path) -> None:
    folder = server_dir / "cluster"
    folder.mkdir()
    with cluster(folder) as (address, joining):
        program, database = fed.copy()
        program = program.with_settings(actors=1, actors_max=3, scale_lag_s=0.1).with_environment(**joining)
        ended = finish(program.start("worker", "--address", address, "--until-end"), PATIENCE_S)
        assert ended.code == 0, ended
        assert_same(stored(database), undisturbed)
    refused = program("worker", "--address", address, "--until-end")
    assert refused.code == 1
    assert refused.complaint.startswith(f"headcount: no Ray cluster can be reached at {address}: ")
