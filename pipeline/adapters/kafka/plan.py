"""What the topics should be like, from the settings, and how that differs from what was found; imports settings only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.settings import Settings

_FRAME_BYTES = 64 * 2**10  # Kafka's own form of a record, and in the dead letters where it came from and why
_SEGMENT_BYTES = 64 * 2**20  # of Kafka's files, where records are not larger
_LARGEST_FILE_BYTES = 2**31 - 1
_DELETE_DELAY_MS = 60_000
_DEFAULT_CHECK_MS = 300_000  # of the brokers' log.retention.check.interval.ms, where they do not say


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Config:
    """One setting of a topic or a broker, in Kafka's words."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic as it should be."""

    name: str
    partitions: int  # more do no harm
    replication: int
    configs: tuple[Config, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTopic:
    """A topic as it is."""

    name: str
    partitions: int
    leaderless: int  # partitions that nobody can write or read for now
    replication: int  # of the partition with the fewest copies
    configs: tuple[Config, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBroker:
    """What a broker's own configuration says; empty where this user may not read it."""

    broker_id: int
    configs: tuple[Config, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was compared."""

    place: str  # a topic's name, or "broker 1"
    setting: str
    wanted: str
    found: str
    differs: bool
    settles: bool = False  # `headcount topics apply` mends it, if not at once


def dead_letter_topic(settings: Settings) -> str:
    """Return the name of the topic that keeps records which could not be used."""
    return f"{settings.kafka_topic}-deadletters"


def message_max_bytes(settings: Settings) -> int:
    """Return the topics' limit: the largest record with what Kafka puts around it."""
    return settings.record_max_bytes + _FRAME_BYTES


def plans(settings: Settings) -> tuple[TopicPlan, TopicPlan]:
    """Return the two topics; the dead letters lie in one partition: they are few, and a person reads them."""
    configs = _configs(settings)
    return (
        TopicPlan(name=settings.kafka_topic, partitions=settings.kafka_partitions, replication=settings.kafka_replication, configs=configs),
        TopicPlan(name=dead_letter_topic(settings), partitions=1, replication=settings.kafka_replication, configs=configs),
    )


def _configs(settings: Settings) -> tuple[Config, ...]:
    retention_ms = _retention_ms(settings)
    wanted = {
        "cleanup.policy": "delete",
        "compression.type": "uncompressed",  # video does not shrink
        "file.delete.delay.ms": _DELETE_DELAY_MS,
        "max.message.bytes": message_max_bytes(settings),
        "message.timestamp.type": "LogAppendTime",  # retention by the brokers' clock, not by a camera's
        "min.insync.replicas": max(1, settings.kafka_replication - 1),
        "retention.bytes": -1,
        "retention.ms": retention_ms,
        "segment.bytes": min(max(_SEGMENT_BYTES, 4 * message_max_bytes(settings)), _LARGEST_FILE_BYTES),
        "segment.ms": _segment_ms(retention_ms),
        "unclean.leader.election.enable": "false",
    }
    return tuple(Config(name=name, value=str(value)) for name, value in wanted.items())


def _retention_ms(settings: Settings) -> int:
    return max(1, round(settings.retention_minutes * 60_000))


def _segment_ms(retention_ms: int) -> int:
    return max(1, retention_ms // 4)


def longest_kept_s(settings: Settings, brokers: Sequence[FoundBroker]) -> float:
    """Return the age at which the last byte of a record is gone from a broker's disk.

    A file is deleted by the age of its newest record: it may span `segment.ms`, is looked at every check interval, and stays a while more.
    """
    checks = (int(config.value) for broker in brokers for config in broker.configs if config.name == "log.retention.check.interval.ms")
    retention_ms = _retention_ms(settings)
    return (retention_ms + _segment_ms(retention_ms) + max(checks, default=_DEFAULT_CHECK_MS) + _DELETE_DELAY_MS) / 1000


def differing_configs(plan: TopicPlan, found: FoundTopic) -> tuple[Config, ...]:
    """Return what must be set anew."""
    return tuple(config for config in plan.configs if config not in found.configs)


def compare_topic(plan: TopicPlan, found: FoundTopic | None) -> Iterator[Finding]:
    """Yield what was compared of a topic; None: it is not there."""
    if found is None:
        yield Finding(place=plan.name, setting="topic", wanted="there", found="not there", differs=True, settles=True)
        return
    yield _at_least(plan, "partitions", plan.partitions, found.partitions, settles=True)
    yield _at_least(plan, "replication", plan.replication, found.replication, settles=False)
    without = f"{found.leaderless} without" if found.leaderless else "all"
    yield Finding(place=plan.name, setting="leaders", wanted="all", found=without, differs=without != "all", settles=True)
    values = {config.name: config.value for config in found.configs}
    for config in plan.configs:
        value = values.get(config.name, "-")
        differs = value != config.value
        yield Finding(place=plan.name, setting=config.name, wanted=config.value, found=value, differs=differs, settles=True)


def _at_least(plan: TopicPlan, setting: str, wanted: int, found: int, *, settles: bool) -> Finding:
    text = f"at least {wanted}"
    return Finding(place=plan.name, setting=setting, wanted=text, found=str(found), differs=found < wanted, settles=settles)


def compare_broker(settings: Settings, broker: FoundBroker) -> Iterator[Finding]:
    """Yield what was compared of a broker: what limits records beside the topics' own limit."""
    least = {"socket.request.max.bytes": message_max_bytes(settings)}
    if settings.kafka_replication > 1:
        least["replica.fetch.max.bytes"] = message_max_bytes(settings)  # smaller ones make followers fall behind
    values = {config.name: config.value for config in broker.configs}
    for name, wanted in least.items():
        value = values.get(name)
        yield Finding(
            place=f"broker {broker.broker_id}",
            setting=name,
            wanted=f"at least {wanted}",
            found=value or "may not be read",
            differs=value is not None and int(value) < wanted,
        )
