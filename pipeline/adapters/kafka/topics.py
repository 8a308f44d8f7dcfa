"""Makes the topics, and looks whether they are as the settings want them; imports errors, ports, settings and this package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog
from kafka import KafkaAdminClient
from kafka import errors as kafka
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained, translated
from pipeline.adapters.kafka.plan import (
    Config,
    Finding,
    FoundBroker,
    FoundTopic,
    TopicPlan,
    compare_broker,
    compare_topic,
    differing_configs,
    longest_kept_s,
    plans,
)
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.adapters.kafka.cluster import Cluster
    from pipeline.ports import Clock
    from pipeline.settings import Settings

T = TypeVar("T")

_log = structlog.get_logger()

_TRIES = 3
_PAUSE_S = 1.0
_SETTLES_S = 30.0  # until every broker knows of a change
_ASK_EVERY_S = 0.2
_BROKER_CONFIGS = ("socket.request.max.bytes", "replica.fetch.max.bytes", "log.retention.check.interval.ms")
_ESSENTIAL = frozenset({"topic", "cleanup.policy", "max.message.bytes", "message.timestamp.type"})
_REFUSED = re.compile(r"\[Error (-?\d+)\] \w+(?:: (.*))?", re.DOTALL)  # how kafka-python's alter_configs says that it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found of the topics and their brokers."""

    findings: tuple[Finding, ...]
    longest_kept_s: float  # the age at which the last byte of a record is gone

    @property
    def differing(self) -> tuple[Finding, ...]:
        """What is not as the settings want it."""
        return tuple(finding for finding in self.findings if finding.differs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done, and what is there now."""

    changes: tuple[str, ...]
    inspection: Inspection


class Topics:
    """The topics of one cluster. Used by one thread.

    kafka-python's admin client does not retry, and an old one fails after a broker was started again: each try has its own.
    """

    def __init__(self, cluster: Cluster, settings: Settings, clock: Clock) -> None:
        self._cluster = cluster
        self._settings = settings
        self._clock = clock

    def inspect(self) -> Inspection:
        """Compare the topics and the brokers with the settings.

        Raises:
            LogUnavailableError: The brokers do not answer.
            ConfigurationError: They refuse this user, or the user may not see the topics.
        """
        return self._patiently(self._inspect)

    def apply(self) -> Applied:
        """Make what is missing and change what differs; never remove a partition or a record.

        Raises:
            LogUnavailableError: The brokers do not answer.
            ConfigurationError: They refuse; the message says what to change.
        """
        changes: list[str] = []
        for plan in plans(self._settings):
            changes += self._patiently(partial(_mend, plan))
        return Applied(changes=tuple(changes), inspection=self._settled() if changes else self.inspect())

    def require(self) -> None:
        """Refuse topics that cannot be worked with; what else differs does no harm to records.

        Raises:
            LogUnavailableError: The brokers do not answer.
            ConfigurationError: A topic is missing, or would refuse records or keep them by the wrong clock.
        """
        for finding in self.inspect().differing:
            if finding.setting in _ESSENTIAL:
                what = f"{finding.setting} is {finding.found}, expected {finding.wanted}"
                raise ConfigurationError(f"topic {finding.place}: {what}; run headcount topics apply")

    def _inspect(self, admin: KafkaAdminClient) -> Inspection:
        brokers = _brokers(admin)
        findings = [finding for plan in plans(self._settings) for finding in compare_topic(plan, _topic(admin, plan))]
        findings += [finding for broker in brokers for finding in compare_broker(self._settings, broker)]
        return Inspection(findings=tuple(findings), longest_kept_s=longest_kept_s(self._settings, brokers))

    def _settled(self) -> Inspection:
        """Inspect until the changes show: a broker answers from what it knows, and hears of a change a little later."""
        deadline = self._clock.monotonic() + _SETTLES_S
        while True:
            found = self.inspect()
            if not any(finding.settles for finding in found.differing) or self._clock.monotonic() >= deadline:
                return found
            self._clock.sleep(_ASK_EVERY_S)

    def _patiently(self, ask: Callable[[KafkaAdminClient], T]) -> T:
        for left in reversed(range(_TRIES)):
            try:
                admin = connected(self._cluster, KafkaAdminClient)
                try:
                    return ask(admin)
                finally:
                    admin.close()
            except LogUnavailableError as error:
                if not left:
                    raise
                _log.info("topics_retried", reason=str(error))
            self._clock.sleep(_PAUSE_S)
        raise AssertionError  # the last try returns or raises


def _mend(plan: TopicPlan, admin: KafkaAdminClient) -> Sequence[str]:
    """Bring one topic to its plan; return what was done, in words."""
    found = _topic(admin, plan)
    if found is None:
        _create(admin, plan)
        return [f"made {plan.name} (partitions {plan.partitions}, replication {plan.replication})"]
    done = []
    if found.partitions < plan.partitions:
        _extend(admin, plan)
        done.append(f"extended {plan.name} (partitions {plan.partitions}; there were {found.partitions})")
    differing = differing_configs(plan, found)
    if differing:
        _configure(admin, plan.name, differing)
        before = {config.name: config.value for config in found.configs}
        done += [f"set {config.name} of {plan.name} to {config.value}; it was {before.get(config.name, '-')}" for config in differing]
    return done


def _topic(admin: KafkaAdminClient, plan: TopicPlan) -> FoundTopic | None:
    doing = f"looking at topic {plan.name}"
    with explained(doing):
        (topic,) = admin.describe_topics([plan.name])
        failure = kafka.for_code(topic["error_code"])
        if failure is kafka.UnknownTopicOrPartitionError:
            return None
        if failure is not kafka.NoError:
            raise translated(failure(), doing)
        names = [config.name for config in plan.configs]
        resource = ConfigResource(ConfigResourceType.TOPIC, plan.name, names)
        configs = _configs(admin.describe_configs([resource], config_filter="all"), resource)
    if not configs:
        raise ConfigurationError(f"{doing}: the user may not see its settings; grant DESCRIBE_CONFIGS (docs/kafka.md, Permissions)")
    copies = [len(partition["replica_nodes"]) for partition in topic["partitions"]]
    return FoundTopic(
        name=plan.name,
        partitions=len(copies),
        leaderless=sum(partition["leader_id"] < 0 for partition in topic["partitions"]),
        replication=min(copies, default=0),
        configs=configs,
    )


def _brokers(admin: KafkaAdminClient) -> Sequence[FoundBroker]:
    with explained("looking at the brokers"):
        ids = [broker["broker_id"] for broker in admin.describe_cluster()["brokers"] if not broker["is_fenced"]]
        resources = [ConfigResource(ConfigResourceType.BROKER, str(broker_id), list(_BROKER_CONFIGS)) for broker_id in ids]
        found = admin.describe_configs(resources, config_filter="all")
    return [FoundBroker(broker_id=int(resource.name), configs=_configs(found, resource)) for resource in resources]


def _configs(found: dict[str, dict[str, dict[str, dict[str, str]]]], resource: ConfigResource) -> tuple[Config, ...]:
    """Return what kafka-python found of one resource; it leaves out what this user may not see."""
    configs = found.get(resource.resource_type.name.lower(), {}).get(resource.name, {})
    return tuple(Config(name=name, value=config["value"]) for name, config in configs.items())


def _create(admin: KafkaAdminClient, plan: TopicPlan) -> None:
    doing = f"making topic {plan.name}"
    wanted = {
        "num_partitions": plan.partitions,
        "replication_factor": plan.replication,
        "configs": {config.name: config.value for config in plan.configs},
    }
    with explained(doing):
        (answer,) = admin.create_topics({plan.name: wanted}, raise_errors=False)["topics"]
    if answer["error_code"] != kafka.TopicAlreadyExistsError.errno:  # someone else was as quick; what differs shows at once
        _require(answer["error_code"], answer["error_message"], doing)


def _extend(admin: KafkaAdminClient, plan: TopicPlan) -> None:
    doing = f"extending topic {plan.name}"
    with explained(doing):
        (answer,) = admin.create_partitions({plan.name: plan.partitions}, raise_errors=False).results
    _require(answer.error_code, answer.error_message, doing)


def _configure(admin: KafkaAdminClient, topic: str, configs: Sequence[Config]) -> None:
    doing = f"setting up topic {topic}"
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {config.name: config.value for config in configs})
    with explained(doing):
        result = admin.alter_configs([resource], raise_on_unknown=False)["topic"][topic]
    refused = _REFUSED.fullmatch(result)
    if refused is not None:
        _require(int(refused[1]), refused[2], doing)
    elif result != "OK":
        raise LogUnavailableError(f"{doing}: Kafka says {' '.join(result.split())}")


def _require(code: int, words: str | None, doing: str) -> None:
    """Raise what an error code means, with the broker's own words: they name the setting or the policy."""
    kind = kafka.for_code(code)
    if kind is not kafka.NoError:
        raise _with_words(translated(kind(), doing), words)


def _with_words(error: HeadcountError, words: str | None) -> HeadcountError:
    return type(error)(f"{error} ({' '.join(words.split())})") if words else error
