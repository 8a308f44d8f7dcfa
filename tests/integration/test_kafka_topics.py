"""`headcount topics` on a real broker."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.log import KafkaLog, Topic
from pipeline.adapters.kafka.plan import dead_letter_topic
from pipeline.adapters.kafka.topics import Topics
from pipeline.errors import ConfigurationError, InvalidRecordError
from pipeline.settings import Settings, load_settings
from pipeline.types import Record
from services.cli import app
from services.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.kafka import KafkaCluster

CONFIGS = 11


@pytest.fixture
def settings(kafka_server: KafkaCluster) -> Iterator[Settings]:
    """Settings of topics that are not there yet."""
    yield (made := wanted(kafka_server, kafka_topic=f"test-{uuid4().hex[:12]}"))
    with closing(kafka_server.admin()) as admin:
        admin.delete_topics([made.kafka_topic, dead_letter_topic(made)], raise_errors=False)


def wanted(server: KafkaCluster, **given: object) -> Settings:
    return load_settings(**{"kafka_bootstrap": server.bootstrap, "kafka_replication": 1, "kafka_partitions": 3, **given})


def topics(settings: Settings) -> Topics:
    return Topics(cluster_of(settings), settings, SystemClock())


def alter(server: KafkaCluster, topic: str, **configs: str) -> None:
    changed = {name.replace("_", "."): value for name, value in configs.items()}
    with closing(server.admin()) as admin:
        assert admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changed)]) == {"topic": {topic: "OK"}}


def partitions_of(server: KafkaCluster, topic: str) -> int:
    with closing(server.admin()) as admin:
        return len(admin.describe_topics([topic])[0]["partitions"])


def test_what_is_missing_is_made_and_then_there_is_nothing_to_do(settings: Settings) -> None:
    name = settings.kafka_topic
    missing = topics(settings).inspect()
    assert [(finding.place, finding.setting) for finding in missing.differing] == [(name, "topic"), (f"{name}-deadletters", "topic")]
    applied = topics(settings).apply()
    assert applied.changes == (
        f"made {name} (partitions 3, replication 1)",
        f"made {name}-deadletters (partitions 1, replication 1)",
    )
    assert not applied.inspection.differing
    assert len(applied.inspection.findings) == 2 * (3 + CONFIGS) + 1  # of each topic, and of the broker
    assert topics(settings).apply().changes == ()


def test_what_someone_changed_is_found_and_set_back_and_nothing_else(settings: Settings, kafka_server: KafkaCluster) -> None:
    topics(settings).apply()
    alter(kafka_server, settings.kafka_topic, retention_ms="-1", segment_ms="7", max_compaction_lag_ms="1")
    deadline = SystemClock().monotonic() + 30
    while len(differing := topics(settings).inspect().differing) < 2:  # a broker hears of it a little later
        assert SystemClock().monotonic() < deadline
    assert [(finding.setting, finding.found) for finding in differing] == [("retention.ms", "-1"), ("segment.ms", "7")]
    applied = topics(settings).apply()
    assert applied.changes == (
        f"set retention.ms of {settings.kafka_topic} to 3600000; it was -1",
        f"set segment.ms of {settings.kafka_topic} to 900000; it was 7",
    )
    assert not applied.inspection.differing


def test_partitions_are_added_and_never_removed(settings: Settings, kafka_server: KafkaCluster) -> None:
    topics(settings).apply()
    more, fewer = (wanted(kafka_server, kafka_topic=settings.kafka_topic, kafka_partitions=number) for number in (5, 2))
    applied = topics(more).apply()
    assert applied.changes == (f"extended {settings.kafka_topic} (partitions 5; there were 3)",)
    assert not applied.inspection.differing
    assert topics(fewer).apply().changes == ()
    assert partitions_of(kafka_server, settings.kafka_topic) == 5


def test_more_copies_than_brokers_cannot_be_made(settings: Settings, kafka_server: KafkaCluster) -> None:
    too_many = wanted(kafka_server, kafka_topic=settings.kafka_topic, kafka_replication=2)
    with pytest.raises(ConfigurationError, match=r"fewer brokers than copies; lower HEADCOUNT_KAFKA_REPLICATION.*2 time") as raised:
        topics(too_many).apply()
    assert "\n" not in str(raised.value)


def test_copies_that_are_missing_are_said_and_left_to_the_operator(settings: Settings, kafka_server: KafkaCluster) -> None:
    topics(settings).apply()
    more = wanted(kafka_server, kafka_topic=settings.kafka_topic, kafka_replication=2)
    applied = topics(more).apply()
    assert [(finding.setting, finding.found) for finding in applied.inspection.differing] == [("replication", "1")] * 2
    assert applied.changes == ()


def test_two_who_apply_at_once_do_not_disturb_each_other(settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: topics(settings).apply(), range(2))
    assert not first.inspection.differing
    assert not second.inspection.differing


def test_topics_that_cannot_be_worked_with_are_refused(settings: Settings, kafka_server: KafkaCluster) -> None:
    with pytest.raises(ConfigurationError, match=f"topic {settings.kafka_topic}: topic is not there, expected there; run headcount topics"):
        topics(settings).require()
    topics(settings).apply()
    topics(settings).require()
    larger = wanted(kafka_server, kafka_topic=settings.kafka_topic, segment_max_bytes=settings.segment_max_bytes + 1)
    with pytest.raises(ConfigurationError, match=r"max\.message\.bytes is 8519680, expected 8519681"):
        topics(larger).require()


def test_the_largest_record_fits_and_a_larger_one_is_refused(settings: Settings) -> None:
    topics(settings).apply()
    largest = Record(headers=(), value=bytes(settings.record_max_bytes))
    assert largest.size == settings.record_max_bytes
    topic = Topic(name=settings.kafka_topic, max_record_bytes=settings.record_max_bytes, writes=True)
    with KafkaLog(cluster_of(settings), topic) as log:
        assert log.append(0, largest) == 0
        with pytest.raises(InvalidRecordError) as raised:
            log.append(0, Record(headers=(), value=bytes(settings.record_max_bytes + 1)))
    assert raised.value.reason == "too_large"


def test_a_topic_that_takes_smaller_records_than_the_settings_is_the_operators_fault(settings: Settings) -> None:
    topics(settings).apply()
    larger = settings.model_copy(update={"segment_max_bytes": 2 * settings.segment_max_bytes})
    topic = Topic(name=settings.kafka_topic, max_record_bytes=larger.record_max_bytes, writes=True)
    with (
        KafkaLog(cluster_of(settings), topic) as log,
        pytest.raises(ConfigurationError, match="run headcount topics apply"),
    ):
        log.append(0, Record(headers=(), value=bytes(larger.record_max_bytes)))


def test_the_commands_say_what_they_did_and_exit_by_it(settings: Settings, kafka_server: KafkaCluster) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        variables = {
            "HEADCOUNT_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
            "HEADCOUNT_KAFKA_TOPIC": settings.kafka_topic,
            "HEADCOUNT_KAFKA_REPLICATION": "1",
            "HEADCOUNT_KAFKA_PARTITIONS": "3",
        }
        shown = CliRunner().invoke(app, ["topics", *arguments], env=variables)
        return shown.exit_code, shown.output

    code, text = run("check")
    assert code == 1
    assert "headcount topics apply makes the topics as they are wanted" in text
    code, text = run("apply")
    assert code == 0
    assert f"made {settings.kafka_topic} (partitions 3, replication 1)" in text
    code, text = run("check", "--json")
    assert code == 0
    document: dict[str, Any] = json.loads(text)
    assert document["as_wanted"] is True
    assert document["longest_kept_s"] == (60 + 15 + 5 + 1) * 60
    assert {
        "place": settings.kafka_topic,
        "setting": "retention.ms",
        "wanted": "3600000",
        "found": "3600000",
        "differs": False,
    } in document["compared"]
    assert json.loads(run("apply", "--json")[1])["changes"] == []
