from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from services.source_list import ListedSource, read_sources
from services.stack.plan import plan_of, without_settings
from services.stack.sources import file_of, listed, shown

if TYPE_CHECKING:
    from pathlib import Path


def settings(**values: object) -> Settings:
    return Settings.model_validate({"data_dir": "/nowhere", **values})


def test_what_is_not_named_is_the_stacks_own_and_lies_on_the_loopback() -> None:
    plan = plan_of(settings(stack_kafka_port=1234, stack_triton_grpc_port=4321), has_sources=False)
    assert (plan.own_kafka, plan.own_triton, plan.slot) == (True, True, "stack")
    told = plan.environment()
    assert told["HEADCOUNT_KAFKA_BOOTSTRAP"] == "127.0.0.1:1234"
    assert told["HEADCOUNT_KAFKA_REPLICATION"] == "1"
    assert told["HEADCOUNT_TRITON_URL"] == "127.0.0.1:4321"
    assert told["HEADCOUNT_DATA_DIR"] == "/nowhere"
    assert "HEADCOUNT_DATABASE_URL" not in told
    assert plan.settings.kafka_replication == 1


def test_what_was_set_for_brokers_is_not_told_where_the_stack_runs_its_own() -> None:
    plan = replace(
        plan_of(settings(), has_sources=False),
        inherited={"HEADCOUNT_KAFKA_CA_FILE": "/ca.pem", "headcount_kafka_tls": "true", "PATH": "/bin"},
    )
    told = plan.environment()
    assert not {"HEADCOUNT_KAFKA_CA_FILE", "headcount_kafka_tls"} & set(told)
    assert (told["HEADCOUNT_KAFKA_TLS"], told["PATH"]) == ("false", "/bin")


def test_what_is_named_is_used_as_it_is() -> None:
    plan = plan_of(
        settings(kafka_bootstrap="broker:9092", triton_url="triton:8001", database_url="postgresql://me:secret@db/headcount"),
        has_sources=False,
    )
    assert (plan.own_kafka, plan.own_triton) == (False, False)
    assert plan.slot == f"stack-{socket.gethostname()}"  # another machine's stack may use the same database
    assert plan.environment()["HEADCOUNT_DATABASE_URL"] == "postgresql://me:secret@db/headcount"
    assert "HEADCOUNT_KAFKA_REPLICATION" not in plan.environment()
    assert "secret" not in repr(plan)


def test_a_name_for_brokers_that_are_not_named_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="HEADCOUNT_KAFKA_BOOTSTRAP"):
        plan_of(settings(kafka_username="me", kafka_password="secret"), has_sources=False)


def test_a_model_that_is_not_there_is_named_unless_another_triton_serves_it() -> None:
    with pytest.raises(ConfigurationError, match=r"HEADCOUNT_MODEL: there is no model 'nonsense' .*face_attributes"):
        plan_of(settings(model="nonsense"), has_sources=False)
    assert plan_of(settings(model="nonsense", triton_url="gpu:8001"), has_sources=False).settings.model == "nonsense"


def test_servers_see_none_of_our_settings() -> None:
    assert without_settings({"HEADCOUNT_KAFKA_PASSWORD": "secret", "headcount_site": "shop", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_a_port_that_is_taken_is_named_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is taken by another program: set HEADCOUNT_STACK_KAFKA_PORT"):
            plan_of(settings(stack_kafka_port=port), has_sources=False).require_free_ports()


def test_ports_of_servers_that_the_stack_does_not_run_may_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        plan = plan_of(settings(kafka_bootstrap="a:1", triton_url="b:2", stack_kafka_port=port), has_sources=False)
        plan.require_free_ports()


def test_one_port_for_two_servers_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(ConfigurationError, match="HEADCOUNT_STACK_KAFKA_PORT and HEADCOUNT_STACK_KAFKA_CONTROLLER_PORT"):
        plan_of(settings(stack_kafka_port=port, stack_kafka_controller_port=port), has_sources=False).require_free_ports()


def test_sources_go_through_a_file_and_come_out_the_same(tmp_path: Path) -> None:
    sources = [ListedSource(address="a film.mp4"), ListedSource(address="rtsp://me:p@ss#=w%ord@10.0.0.7/s", name="the door")]
    path = tmp_path / "sources"
    path.touch(mode=0o600)
    path.write_bytes(file_of(sources))
    assert read_sources(path, pytest.fail) == sources
    assert listed(["film.mp4"], path, pytest.fail) == [ListedSource(address="film.mp4"), *sources]


@pytest.mark.parametrize("address", ["", " film.mp4", "film.mp4 ", "#film.mp4", "name = film.mp4", "two\nlines"])
def test_what_would_be_another_source_in_a_file_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="rename it"):
        listed([address], None, pytest.fail)


def test_a_source_is_shown_without_its_password() -> None:
    assert shown(ListedSource(address="rtsp://me:secret@10.0.0.7/s", name="door")).startswith("door = rtsp://")
    assert "secret" not in shown(ListedSource(address="rtsp://me:secret@10.0.0.7/s", name="door"))
