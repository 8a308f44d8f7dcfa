"""The tests' own servers: they start, can be killed and paused, and nothing of them is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from tritonclient.grpc import InferenceServerClient, InferInput

from pipeline.resources import resource
from tests.processes import alive
from tests.servers.process import Reaper, ServerProcess, wait_until
from tests.triton_models import newest_version

if TYPE_CHECKING:
    import numpy.typing as npt

    from tests.servers.kafka import KafkaCluster
    from tests.servers.triton import Triton, TritonServers

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_broker_takes_records_and_gives_them_back(kafka_server: KafkaCluster) -> None:
    topic = kafka_server.new_topic(partitions=2, max_message_bytes="2000000")
    producer = KafkaProducer(bootstrap_servers=kafka_server.bootstrap, enable_idempotence=False, max_request_size=2**21)
    sent = [producer.send(topic, b"x" * size, partition=1).get(10).offset for size in (1, 1_500_000)]
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=kafka_server.bootstrap, group_id=None, enable_auto_commit=False)
    partition = TopicPartition(topic, 1)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    found = [len(next(consumer).value) for _ in sent]
    consumer.close()
    assert (sent, found) == ([0, 1], [1, 1_500_000])


def test_servers_listen_on_the_loopback_only(kafka_server: KafkaCluster, triton_server: Triton) -> None:
    for process in (kafka_server.nodes[0], triton_server.process):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        addresses = {entry.laddr.ip for one in family for entry in one.net_connections() if entry.status == psutil.CONN_LISTEN}
        assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}  # gRPC writes it as an address of IPv6


@pytest.mark.parametrize("model", ["face_attributes", "face_attributes_research"])
def test_triton_answers_as_the_network_in_process(triton_server: Triton, model: str) -> None:
    faces = np.random.default_rng(1).integers(0, 255, (5, 112, 112, 3), dtype=np.uint8)
    wanted = {"age_probs", "gender_probs"}
    network = onnxruntime.InferenceSession(
        resource("triton_models") / model / str(newest_version(model)) / "model.onnx", providers=["CPUExecutionProvider"]
    )
    expected = dict(zip(sorted(wanted), network.run(sorted(wanted), {"face": faces}), strict=True))
    answers = asked(triton_server, model, faces)
    assert {name: answer.shape for name, answer in answers.items()} == {"age_probs": (5, 101), "gender_probs": (5, 2)}
    assert all(np.allclose(answers[name], expected[name], atol=1e-5) for name in wanted)
    assert "PyCapsule" not in triton_server.process.log.read_text()  # what NumPy says where nobody tells it that an array was taken over


def test_two_tritons_do_not_disturb_each_other(triton_server: Triton, triton_servers: TritonServers) -> None:
    faces = np.zeros((1, 112, 112, 3), np.uint8)
    with triton_servers() as other:
        expected = asked(other, "face_attributes", faces)
        other.process.kill()
        other.server.clear()  # at once: a stub that had an answer on its way takes long to see that nobody waits for it
        wait_until(lambda: not stubs_of(other), "what a killed server leaves is ended", patience_s=10)
        assert np.array_equal(asked(triton_server, "face_attributes", faces)["age_probs"], expected["age_probs"])
        other.process.start()
        assert np.array_equal(asked(other, "face_attributes", faces)["age_probs"], expected["age_probs"])
    assert not stubs_of(other)
    assert not [path.name for path in Path("/dev/shm").iterdir() if f"-{other.server.grpc_port}-" in path.name]


def test_an_idle_stub_ends_soon_after_its_server_was_killed(triton_servers: TritonServers) -> None:
    with triton_servers() as triton:
        assert len(stubs_of(triton)) >= 2
        triton.process.kill()
        wait_until(lambda: not stubs_of(triton), "the stubs end by themselves", patience_s=20)


def asked(triton: Triton, model: str, faces: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
    with InferenceServerClient(triton.url) as client:
        face = InferInput("face", list(faces.shape), "UINT8")
        face.set_data_from_numpy(faces)
        answer = client.infer(model, [face], client_timeout=30)
        return {name: answer.as_numpy(name) for name in ("age_probs", "gender_probs")}


def stubs_of(triton: Triton) -> list[int]:
    """Return the processes that run a server's models."""
    ours = str(triton.server.folder)
    return [process.pid for process in psutil.process_iter(["cmdline"]) if any(ours in word for word in process.info["cmdline"] or ())]


@pytest.fixture
def sleeper(tmp_path: Path, reaper: Reaper) -> ServerProcess:
    return ServerProcess(SLEEP, os.environ, log=tmp_path / "log", ready=lambda: True, reaper=reaper)


def test_a_process_is_paused_resumed_killed_and_started_again(sleeper: ServerProcess) -> None:
    sleeper.start()
    first = sleeper.pid
    sleeper.pause()
    wait_until(lambda: psutil.Process(first).status() == psutil.STATUS_STOPPED, "it stands still")
    sleeper.resume()
    wait_until(lambda: psutil.Process(first).status() != psutil.STATUS_STOPPED, "it goes on")
    sleeper.kill()
    sleeper.start()
    assert sleeper.pid != first
    sleeper.pause()
    sleeper.stop()
    assert not psutil.pid_exists(first)


def test_what_killed_tests_leave_is_ended(tmp_path: Path) -> None:
    """The reaper's pipe closes when its process is gone, as here by SIGKILL of a process that stands for the tests."""
    script = f"""
import os, signal
from pathlib import Path
from tests.servers.process import Reaper, ServerProcess
process = ServerProcess({SLEEP!r}, os.environ, log=Path({str(tmp_path / "log")!r}), ready=lambda: True, reaper=Reaper())
process.start()
print(process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    pid = int(killed.stdout)
    wait_until(lambda: not alive(one for one in psutil.process_iter() if one.pid == pid), "the server is ended", patience_s=20)
