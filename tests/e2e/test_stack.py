"""`headcount stack` with the real servers: up, used, each part killed, its supervisor killed, down, and nothing left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jsonschema
import psutil
import pytest

from services.stack.programs import KAFKA_VERSION, TRITON_VERSION
from services.stack.state import StackFolder
from tests.clips import Clip, make_clip
from tests.e2e.command import ROOT, finish
from tests.e2e.rows import ask
from tests.processes import LOOPBACK, alive, command_line, listening
from tests.rtspd import Behaviour, RtspServer
from tests.servers.process import free_ports, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.stack.programs import Programs
    from tests.e2e.command import Ended, Program
    from tests.e2e.rows import Rows
    from tests.servers.fixtures import ServerDesk

PATIENCE_S = 240.0
PASSWORD = "p@ss#w%rd?/"
PORTS = (
    *("stack_kafka_port", "stack_kafka_controller_port"),
    *("stack_triton_http_port", "stack_triton_grpc_port", "stack_triton_metrics_port"),
)
VISITS = "SELECT count(*) FROM visits WHERE camera IN ('demo', 'second')"
SEEN = "SELECT 1 FROM coverage JOIN camera USING (camera_id) WHERE name = '{}'"
SCHEMA = json.loads((ROOT / "docs" / "stack.schema.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack of the tests' own."""

    program: Program
    folder: Path
    ports: list[int]
    cameras: Path  # what its ingest feeds: a camera with a password

    def __call__(self, *arguments: str | Path) -> Ended:
        return finish(self.program.start(*arguments), PATIENCE_S)

    def up(self) -> Ended:
        """Bring it up; it must come up."""
        ended = self("stack", "up", "--from", self.cameras)
        assert ended.code == 0, (ended, self.logs())
        return ended

    def status(self) -> dict[str, Any]:
        """Return its state as the command says it."""
        ended = self("stack", "status", "--json")
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def ask(self, statement: str) -> Rows:
        """Return what its database answers."""
        folder = quote(str(self.folder / "postgres-socket"), safe="")
        return ask(f"postgresql://headcount@/headcount?host={folder}&port=5432", statement)

    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in self.status()["parts"]}

    def processes(self) -> list[psutil.Process]:
        """Return every process of the stack: the supervisor's, and the database's, which is nobody's child."""
        status = self.status()
        found: set[psutil.Process] = set()
        for pid in filter(None, (status["pid"], *(part["pid"] for part in status["parts"]))):  # one that is restarted has none
            with suppress(psutil.NoSuchProcess):
                found |= {psutil.Process(pid), *psutil.Process(pid).children(recursive=True)}
        return list(found)

    def served(self) -> set[str]:
        """Return the names of the models that its Triton serves."""
        ended = self("models", "list", "--json")
        assert ended.code == 0, ended
        return {version["model"] for version in json.loads(ended.stdout)["versions"] if version["state"] == "READY"}

    def strangers(self) -> list[str]:
        """Return the processes of this machine that name the stack's folder."""
        return [line for process in psutil.process_iter() if str(self.folder) in (line := command_line(process))]

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted((self.folder / "stack" / "logs").glob("*.log")))


@pytest.fixture(scope="module")
def stack(headcount: Program, programs: Programs, programs_dir: Path, server_desk: ServerDesk, server_dir: Path) -> Iterator[Stack]:
    server_desk.have(f"Kafka {KAFKA_VERSION}", programs.kafka_jars)
    server_desk.have(f"Triton {TRITON_VERSION}", programs.triton_environment)
    folder = Path(tempfile.mkdtemp(dir=server_dir))
    folder.chmod(0o755)
    cameras = folder / "cameras.txt"
    cameras.touch(mode=0o600)
    ports = free_ports(len(PORTS))
    program = headcount.with_settings(
        data_dir=folder / "data", programs_dir=programs_dir, kafka_partitions=4, ray="true", **dict(zip(PORTS, ports, strict=True))
    )
    stack = Stack(program=program, folder=folder / "data", ports=ports, cameras=cameras)
    with RtspServer(make_clip(folder / "door", Clip()), Behaviour(credentials=f"me:{PASSWORD}")) as camera:
        cameras.write_text(f"the door = rtsp://me:{quote(PASSWORD, safe='')}@{camera.address}/stream\n")
        try:
            stack.up()
            yield stack
        finally:
            stack("stack", "down")


def test_everything_is_up_and_says_so(stack: Stack) -> None:
    status = stack.status()
    jsonschema.validate(status, SCHEMA)
    assert [part["name"] for part in status["parts"]] == ["postgres", "kafka", "triton", "worker", "ingest"]
    assert {part["state"] for part in status["parts"]} == {"healthy"}
    wait_until(lambda: all(part["memory_bytes"] > 2**20 for part in stack.parts().values()), "their memory is known")
    shown = stack("stack", "status")
    assert shown.code == 0
    assert "healthy" in shown.stdout


def test_up_again_changes_nothing(stack: Stack, demo_clip: Path) -> None:
    before = stack.parts()
    again = stack("stack", "up")
    assert again.code == 0, again
    assert "the stack is up already" in again.stdout
    other = stack("stack", "up", demo_clip)
    assert other.code == 2
    assert other.complaint == "headcount: the stack is up with other sources: run headcount stack down first"
    assert {name: part["pid"] for name, part in stack.parts().items()} == {name: part["pid"] for name, part in before.items()}


def test_it_loads_the_model_that_is_asked_and_others_when_it_is_told(stack: Stack) -> None:
    assert stack.served() == {"face_attributes"}
    loaded = stack("models", "load", "levi_hassner_modified")
    assert loaded.code == 0, loaded
    assert stack.served() == {"face_attributes", "levi_hassner_modified"}


def test_it_listens_on_the_loopback_only(stack: Stack) -> None:
    found = listening(stack.processes())
    assert {host for host, _ in found} <= LOOPBACK
    assert set(stack.ports) <= {port for _, port in found}


def test_a_password_is_nowhere_but_in_its_file(stack: Stack) -> None:
    secrets = (PASSWORD, quote(PASSWORD, safe=""))
    shown = [command_line(process) for process in psutil.process_iter()]
    status = stack("stack", "status").stdout
    shown += [status, stack("stack", "logs", "ingest").stdout]
    shown += [path.read_text(errors="replace") for path in (stack.folder / "stack").rglob("*.log")]
    shown.append((stack.folder / "stack" / "state.json").read_text())
    assert not [text for text in shown if any(secret in text for secret in secrets)]
    assert "rtsp://" in status
    for path in (stack.folder / "stack" / "sources", stack.folder / "stack" / "state.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_run_through_the_stack_is_the_run_of_one_process(stack: Stack, headcount: Program, demo_clip: Path, data_dir: Path) -> None:
    alone = headcount.with_settings(data_dir=data_dir)("run", demo_clip, "--json")
    through = stack("run", "--stack", demo_clip, "--json")
    assert (alone.code, through.code) == (0, 0), (alone, through)
    assert_same_run(json.loads(through.stdout), json.loads(alone.stdout))
    again = stack("run", "--stack", demo_clip)
    assert "all of it known already" in again.stdout
    status = stack("status", "--json")
    assert status.code == 0, status
    assert json.loads(status.stdout)["log"]["here"] is True
    topics = stack("topics", "check", "--json")
    assert (topics.code, json.loads(topics.stdout)["as_wanted"]) == (0, True), topics
    rows = stack("sql", "--", "--csv", "--tuples-only", "--command", VISITS)
    assert rows.stdout.strip() == "3"


def assert_same_run(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Two runs have counted the same, but for how long it took."""
    assert len(found["visits"]) == len(wanted["visits"]) == 3
    for one, other in zip(found["visits"], wanted["visits"], strict=True):
        assert one == pytest.approx(other, abs=1e-4) if isinstance(one, float) else same(one, other)
    passing = {"elapsed_s", "kept"}
    totals = [{name: value for name, value in run["totals"].items() if name not in passing} for run in (found, wanted)]
    assert totals[0] == totals[1]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    floats = {name for name, value in other.items() if isinstance(value, float)}
    assert {name: one[name] for name in floats} == pytest.approx({name: other[name] for name in floats}, abs=1e-4)
    return {name: one[name] for name in other if name not in floats} == {name: other[name] for name in other if name not in floats}


def test_ctrl_c_ends_a_run_in_good_order_and_the_stack_goes_on(stack: Stack, demo_clip: Path) -> None:
    process = stack.program.start("run", "--stack", demo_clip, "--name", "third", "--pace")
    wait_until(lambda: stack.ask(SEEN.format("third")) != [], "something of the camera is stored", patience_s=PATIENCE_S)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 0, ended
    assert "interrupted" in ended.stdout
    state = StackFolder(stack.folder).read()
    assert state is not None
    assert state.is_well


def test_parts_that_are_killed_are_well_again_and_nothing_is_lost(stack: Stack, demo_clip: Path) -> None:
    before = stack.parts()
    names = ["kafka", "triton", "worker", "ingest", "postgres"]
    running = stack.program.start("run", "--stack", demo_clip, "--name", "second", "--pace", "--json")
    wait_until(lambda: stack.ask(SEEN.format("second")) != [], "something of the second camera is stored", patience_s=PATIENCE_S)
    for name in names:
        os.kill(before[name]["pid"], signal.SIGKILL)
    wait_until(lambda: all_well(stack, {name: before[name]["pid"] for name in names}), "all are well again", patience_s=PATIENCE_S)
    ended = finish(running, PATIENCE_S)
    assert ended.code == 0, ended
    assert json.loads(ended.stdout)["totals"]["visits"] == 3
    assert {name: part["restarts"] > 0 for name, part in stack.parts().items() if name != "postgres"} == dict.fromkeys(names[:-1], True)


def all_well(stack: Stack, killed: dict[str, int]) -> bool:
    """Say whether every part is well again, in another process."""
    state = StackFolder(stack.folder).read()
    assert state is not None
    return state.is_well and all(part.process is not None and part.process.pid != killed[part.name] for part in state.parts)


def test_a_supervisor_that_is_killed_leaves_nothing_or_what_down_ends(stack: Stack) -> None:
    those = stack.processes()
    stopped = psutil.Process(stack.parts()["triton"]["pid"])
    others = [one for one in those if one not in {stopped, *stopped.children(recursive=True)}]
    stopped.suspend()  # it does not hear the kernel's signal
    os.kill(stack.status()["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(others), "all that can hear has ended by itself", patience_s=60.0)
    assert alive([stopped])
    crashed = stack("stack", "status")
    assert crashed.code == 1
    assert "its supervisor was killed" in crashed.stdout
    refused = stack("run", "--stack", "film.mp4")
    assert refused.code == 2
    assert refused.complaint.endswith("start it with: headcount stack up")
    ended = stack("stack", "down")
    assert ended.code == 0, ended
    assert "triton: ended what a supervisor had left" in ended.stdout
    assert not alive(those)
    assert not stack.strangers()
    again = stack("stack", "down")
    assert again.code == 0
    assert again.stdout.startswith("no stack is up")


def test_a_port_that_is_taken_is_named(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.ports[0])):
        refused = stack("stack", "up")
    assert refused.code == 2
    assert (
        refused.complaint == f"headcount: port {stack.ports[0]} is taken by another program: set HEADCOUNT_STACK_KAFKA_PORT to another one"
    )


def test_up_again_has_all_rows_also_where_no_camera_is_there_and_down_ends_everything_in_the_reverse_order(stack: Stack) -> None:
    away = stack.cameras.with_name("away.txt")
    away.touch(mode=0o600)
    away.write_text(f"the roof = rtsp://me:secret@127.0.0.1:{free_ports(1)[0]}/stream\n")
    up = stack("stack", "up", "--from", away)
    assert up.code == 0, up
    assert "nothing is fed; ingest is started again until a camera is there" in up.stdout
    assert re.search(r"ingest: ended with code 1: .*nothing listens on port", up.stdout)
    assert stack("stack", "status").code == 1
    assert stack.ask(VISITS) == [(6,)]
    those = stack.processes()
    ended = stack("stack", "down")
    assert ended.code == 0, ended
    assert ended.stdout.splitlines()[-1] == "the stack is down"
    assert not alive(those)
    assert not stack.strangers()
    order = [name for name in re.findall(r"^(\w+): healthy, stopping", ended.stdout, re.MULTILINE) if name != "postgres"]
    assert order == [name for name in ("ingest", "worker", "triton", "kafka") if name in order]
    assert order
    assert stack("stack", "status").code == 1
