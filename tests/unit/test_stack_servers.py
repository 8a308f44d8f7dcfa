"""What the stack's Kafka and Triton are told: loopback only, their own folders, nothing of this process."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError
from services.stack.kafka import KafkaNode, new_cluster_id
from services.stack.triton import TritonServer

if TYPE_CHECKING:
    from pathlib import Path

PORTS = ((9092, 9093), (9192, 9193), (9292, 9293))


def written(node: KafkaNode) -> dict[str, str]:
    """Return the configuration that a node of a formatted folder writes, unread by Java."""
    (node.folder / "data").mkdir(parents=True, exist_ok=True)
    (node.folder / "data" / "meta.properties").touch()
    node.prepare()
    return dict(line.split("=", 1) for line in (node.folder / "server.properties").read_text().splitlines())


def test_a_broker_and_its_controller_listen_on_the_loopback(tmp_path: Path) -> None:
    found = written(KafkaNode(jars=tmp_path, folder=tmp_path / "kafka", ports=PORTS[:1]))
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("1", "1")


def test_three_brokers_know_each_other(tmp_path: Path) -> None:
    nodes = [KafkaNode(jars=tmp_path, folder=tmp_path / str(index), ports=PORTS, index=index) for index in range(3)]
    found = [written(node) for node in nodes]
    assert {node.bootstrap for node in nodes} == {"127.0.0.1:9092,127.0.0.1:9192,127.0.0.1:9292"}
    assert [properties["node.id"] for properties in found] == ["1", "2", "3"]
    assert {properties["controller.quorum.voters"] for properties in found} == {"1@127.0.0.1:9093,2@127.0.0.1:9193,3@127.0.0.1:9293"}
    assert {(properties["default.replication.factor"], properties["min.insync.replicas"]) for properties in found} == {("3", "2")}


def test_properties_are_added_escaped_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    properties = {"sasl.jaas.config": 'password="a\\b é";', "num.io.threads": "2", "message.max.bytes": "7"}
    node = KafkaNode(jars=tmp_path, folder=tmp_path / "kafka", ports=PORTS[:1], protocol="SASL_SSL", properties=properties)
    found = written(node)
    assert found["sasl.jaas.config"] == 'password=\\"a\\\\b \\u00e9\\";'
    assert (found["num.io.threads"], found["message.max.bytes"]) == ("2", "7")
    assert found["listener.security.protocol.map"] == "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL"
    assert stat.S_IMODE((node.folder / "server.properties").stat().st_mode) == 0o600


def test_options_for_java_from_the_environment_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dcom.sun.management.jmxremote.port=9999")
    node = KafkaNode(jars=tmp_path, folder=tmp_path, ports=PORTS[:1])
    assert "JAVA_TOOL_OPTIONS" not in node.environment()
    assert not [word for word in node.command() if "jmx" in word]


def test_names_of_clusters_differ_and_are_kafkas() -> None:
    names = {new_cluster_id() for _ in range(100)}
    assert len(names) == 100
    assert {len(name) for name in names} == {22}
    assert not [name for name in names if name.startswith("-")]


@pytest.fixture
def triton(tmp_path: Path) -> TritonServer:
    return TritonServer(
        environment_dir=tmp_path / "environment",
        folder=tmp_path / "triton",
        repository=tmp_path,
        model="face_attributes",
        http_port=1,
        grpc_port=2,
        metrics_port=3,
    )


def test_triton_listens_on_the_loopback_and_loads_what_it_is_told(triton: TritonServer) -> None:
    command = triton.command()
    assert {"--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"} <= set(command)
    assert {"--http-port=1", "--grpc-port=2", "--metrics-port=3"} <= set(command)
    assert {"--model-control-mode=explicit", "--load-model=face_attributes", "--model-config-name=cpu"} <= set(command)
    assert triton.url == "127.0.0.1:2"


def test_tritons_python_is_that_of_its_environment(triton: TritonServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    environment = triton.environment()
    assert environment["PATH"].split(":")[0] == str(triton.environment_dir / "bin")
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(environment)


def test_a_triton_without_a_stub_for_this_python_says_so(triton: TritonServer) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(ConfigurationError, match=f"cannot run its backend on Python {version}: .*HEADCOUNT_TRITON_URL"):
        triton.prepare()


def test_a_triton_that_does_not_run_is_not_ready(triton: TritonServer) -> None:
    assert not triton.ready()
