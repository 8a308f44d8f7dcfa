"""The tests' own servers: they start, can be killed and paused, and nothing of them is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.servers.process import Reaper, ServerProcess, wait_until

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

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
    wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "the server is ended", patience_s=20
    )
