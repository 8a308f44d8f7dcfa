"""The servers of a production column that tests harm: each way of harming them ends with servers that are well."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import urlopen
from uuid import uuid4

import psutil

from pipeline.adapters.triton.client import TritonClient
from pipeline.adapters.triton.health import check_models
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.command import Program
    from tests.servers.kafka import KafkaCluster
    from tests.servers.process import ServerProcess
    from tests.servers.triton import Triton

_STUB = "triton_python_backend_stub"  # the kernel cuts names at 15 characters
_ANSWER_S = 5.0
_CROPS = re.compile(r"^nv_inference_count\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """One Kafka broker and one Triton."""

    kafka: KafkaCluster
    triton: Triton

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of the broker."""
        return self.kafka.bootstrap

    @property
    def data_dir(self) -> Path:
        """Where the broker keeps its topics."""
        return self._broker.log.parent / "data"

    def column(self, program: Program, partitions: int) -> Program:
        """Return the program with new topics on the broker, and with Triton."""
        program = program.with_settings(
            kafka_bootstrap=self.bootstrap,
            kafka_topic=f"test-{uuid4().hex[:12]}",
            kafka_partitions=partitions,
            kafka_replication=1,
            triton_url=self.triton.url,
        )
        ended = program("topics", "apply")
        assert ended.code == 0, ended
        return program

    def make_topic_anew(self, program: Program) -> None:
        """Delete the topic of a column, and make it again under its name."""
        with closing(self.kafka.admin()) as admin:
            admin.delete_topics([program.settings["kafka_topic"]])
        ended = program("topics", "apply")
        assert ended.code == 0, ended

    @contextmanager
    def broker_killed(self) -> Iterator[None]:
        """Have no broker while the block runs."""
        with _killed(self._broker):
            yield

    @contextmanager
    def broker_stopped(self) -> Iterator[None]:
        """Have a broker that neither answers nor refuses while the block runs."""
        self._broker.pause()
        try:
            yield
        finally:
            self._broker.resume()

    @contextmanager
    def triton_killed(self) -> Iterator[None]:
        """Have no Triton while the block runs."""
        with _killed(self.triton.process):
            yield

    def kill_stub(self) -> None:
        """Kill the process in which a model runs, and have the model loaded again, as headcount stack does."""
        stubs = [child for child in psutil.Process(self.triton.process.pid).children(recursive=True) if _STUB.startswith(child.name())]
        for stub in stubs:
            stub.kill()
        assert stubs
        with closing(TritonClient(self.triton.url, timeout_s=_ANSWER_S, in_flight=1)) as client:
            wait_until(lambda: all(health.well for health in check_models(client)), "Triton's models are healed")

    def crops_answered(self) -> int:
        """Return how many crops the running Triton has classified."""
        with urlopen(f"http://127.0.0.1:{self.triton.server.metrics_port}/metrics", timeout=_ANSWER_S) as page:
            return sum(int(float(number)) for number in _CROPS.findall(page.read().decode()))

    @property
    def _broker(self) -> ServerProcess:
        (broker,) = self.kafka.nodes
        return broker


@contextmanager
def _killed(server: ServerProcess) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()
