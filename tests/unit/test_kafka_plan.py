from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.adapters.kafka.plan import (
    Config,
    FoundBroker,
    FoundTopic,
    TopicPlan,
    compare_broker,
    compare_topic,
    differing_configs,
    longest_kept_s,
    message_max_bytes,
    plans,
)
from pipeline.settings import load_settings


def values(plan: TopicPlan) -> dict[str, str]:
    return {config.name: config.value for config in plan.configs}


def as_planned(plan: TopicPlan) -> FoundTopic:
    return FoundTopic(name=plan.name, partitions=plan.partitions, leaderless=0, replication=plan.replication, configs=plan.configs)


def broker(**configs: int) -> FoundBroker:
    return FoundBroker(broker_id=3, configs=tuple(Config(name=name.replace("_", "."), value=str(value)) for name, value in configs.items()))


def test_the_topics_follow_from_the_settings() -> None:
    settings = load_settings(kafka_topic="video", kafka_partitions=12, kafka_replication=3, retention_minutes=30)
    segments, dead_letters = plans(settings)
    assert (segments.name, segments.partitions, segments.replication) == ("video", 12, 3)
    assert (dead_letters.name, dead_letters.partitions, dead_letters.replication) == ("video-deadletters", 1, 3)
    assert segments.configs == dead_letters.configs
    wanted = values(segments)
    assert (wanted["retention.ms"], wanted["segment.ms"], wanted["min.insync.replicas"]) == ("1800000", "450000", "2")
    assert wanted["message.timestamp.type"] == "LogAppendTime"


def test_one_copy_alone_is_all_that_must_be_in_sync() -> None:
    assert values(plans(load_settings(kafka_replication=1))[0])["min.insync.replicas"] == "1"


@pytest.mark.parametrize("segment_max_bytes", [2**16, 8 * 2**20, 2**26, 2**30])
def test_every_limit_is_above_the_largest_record(segment_max_bytes: int) -> None:
    settings = load_settings(segment_max_bytes=segment_max_bytes, spool_max_bytes=2**30)
    wanted = values(plans(settings)[0])
    assert segment_max_bytes < settings.record_max_bytes < int(wanted["max.message.bytes"]) < int(wanted["segment.bytes"]) < 2**31


@pytest.mark.parametrize("retention_minutes", [1e-9, 0.5, 60, 1e5])
def test_kafka_takes_the_times_of_any_retention(retention_minutes: float) -> None:
    wanted = values(plans(load_settings(retention_minutes=retention_minutes))[0])
    assert 1 <= int(wanted["segment.ms"]) <= int(wanted["retention.ms"])


def test_a_topic_as_planned_does_not_differ() -> None:
    plan = plans(load_settings())[0]
    findings = list(compare_topic(plan, as_planned(plan)))
    assert len(findings) == 3 + len(plan.configs)
    assert not [finding for finding in findings if finding.differs]
    assert differing_configs(plan, as_planned(plan)) == ()


def test_more_partitions_and_copies_than_planned_do_no_harm() -> None:
    plan = plans(load_settings())[0]
    found = replace(as_planned(plan), partitions=plan.partitions + 1, replication=plan.replication + 1)
    assert not [finding for finding in compare_topic(plan, found) if finding.differs]


def test_each_difference_is_found() -> None:
    plan = plans(load_settings(kafka_partitions=4, kafka_replication=2))[0]
    configs = tuple(config for config in plan.configs if config.name not in {"retention.ms", "segment.ms"})
    kept_for_ever = Config(name="retention.ms", value="-1")
    found = FoundTopic(name=plan.name, partitions=3, leaderless=1, replication=1, configs=(*configs, kept_for_ever))
    differing = {finding.setting: (finding.wanted, finding.found) for finding in compare_topic(plan, found) if finding.differs}
    assert differing == {
        "partitions": ("at least 4", "3"),
        "replication": ("at least 2", "1"),
        "leaders": ("all", "1 without"),
        "retention.ms": ("3600000", "-1"),
        "segment.ms": ("900000", "-"),
    }
    assert {config.name for config in differing_configs(plan, found)} == {"retention.ms", "segment.ms"}


def test_a_topic_that_is_not_there_is_one_difference() -> None:
    (finding,) = compare_topic(plans(load_settings())[0], None)
    assert (finding.setting, finding.found, finding.differs) == ("topic", "not there", True)


def test_a_broker_must_take_a_request_with_the_largest_record_and_its_followers_fetch_it() -> None:
    settings = load_settings(kafka_replication=3)
    least = message_max_bytes(settings)
    small = broker(socket_request_max_bytes=least - 1, replica_fetch_max_bytes=least - 1)
    large = broker(socket_request_max_bytes=least, replica_fetch_max_bytes=least)
    assert [finding.differs for finding in compare_broker(settings, small)] == [True, True]
    assert [finding.differs for finding in compare_broker(settings, large)] == [False, False]


def test_a_single_copy_is_fetched_by_nobody() -> None:
    findings = compare_broker(load_settings(kafka_replication=1), broker(replica_fetch_max_bytes=1))
    assert [finding.setting for finding in findings] == ["socket.request.max.bytes"]


def test_what_a_broker_does_not_say_is_not_called_wrong() -> None:
    findings = list(compare_broker(load_settings(), broker()))
    assert {(finding.found, finding.differs) for finding in findings} == {("may not be read", False)}


def test_the_bound_of_retention_counts_the_file_the_check_and_the_delay() -> None:
    settings = load_settings(retention_minutes=60)
    often, seldom = broker(log_retention_check_interval_ms=60_000), broker(log_retention_check_interval_ms=120_000)
    assert longest_kept_s(settings, [often, seldom]) == (60 + 15 + 2 + 1) * 60
    assert longest_kept_s(settings, [broker()]) == (60 + 15 + 5 + 1) * 60  # Kafka's own default
