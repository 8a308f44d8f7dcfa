"""Watches that a topic is still the one that was opened, and that it may be used; imports errors, metrics and this package.

A topic that is deleted and made anew under its name has another id, and ids never come back. Brokers say nothing of it to who
reads by name: an offset that both have is read on as if nothing had happened. So what was fetched counts only once a look at
the topic's id that began after it was fetched has seen the same id. Looks are shared: at most ten a second, a millisecond each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from kafka import KafkaAdminClient
from kafka import errors as kafka

from pipeline.adapters.kafka.diagnose import connected
from pipeline.adapters.kafka.failures import explained, translated
from pipeline.adapters.kafka.rounds import Rounds
from pipeline.errors import ConfigurationError, HeadcountError, LogReplacedError, LogUnavailableError
from pipeline.metrics import LOG_REPLACED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.adapters.kafka.cluster import Cluster

_log = structlog.get_logger()

_REQUEST_MS = 5000
_EVERY_S = 30.0
_EVERY_IN_TROUBLE_S = 1.0
_SOON_S = 0.1


class TopicMissingError(LogUnavailableError):
    """There is no such topic for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the brokers say of a topic."""

    topic_id: str
    partitions: int
    operations: frozenset[str]  # what this user may do with it: READ, WRITE, ...


def look_at(admin: KafkaAdminClient, topic: str) -> Sight:
    """Ask the brokers for a topic.

    Raises:
        TopicMissingError: It is not there.
        LogUnavailableError: They do not answer.
        ConfigurationError: This user may not see it.
    """
    doing = f"looking at topic {topic}"
    with explained(doing):
        (found,) = admin.describe_topics([topic])
        failure = kafka.for_code(found["error_code"])
    if failure is kafka.UnknownTopicOrPartitionError:
        raise TopicMissingError(f"there is no topic {topic}; run headcount topics apply")
    if failure is kafka.TopicAuthorizationFailedError:
        raise _forbidden(topic, "DESCRIBE")
    if failure is not kafka.NoError:
        raise translated(failure(), doing)
    return Sight(topic_id=found["topic_id"], partitions=len(found["partitions"]), operations=frozenset(found["authorized_operations"]))


def require(sight: Sight, topic: str, needs: Iterable[str]) -> None:
    """Refuse a topic with which this user may not do what is needed.

    Raises:
        ConfigurationError: A permission is missing; says which.
    """
    for operation in sorted(set(needs) - sight.operations):
        raise _forbidden(topic, operation)


class Watch:
    """Keeps an eye on one topic. Safe to use from several threads.

    Args:
        cluster: Its brokers.
        topic: Its name.
        needs: What this user must be allowed to do with it: READ, WRITE.
        on_look: Told after each look, from the watch's own thread.

    Raises:
        LogUnavailableError: There is no such topic, or no broker answers.
        ConfigurationError: The brokers refuse this user, or a permission is missing.
    """

    def __init__(self, cluster: Cluster, topic: str, *, needs: Iterable[str], on_look: Callable[[], None] = lambda: None) -> None:
        self._topic = topic
        self._needs = frozenset(needs)
        self._failure: HeadcountError | None = None
        self._pause_s: float | None = _EVERY_S  # until the next look
        self._admin = connected(cluster, KafkaAdminClient, request_timeout_ms=_REQUEST_MS)
        try:
            self._sight = look_at(self._admin, topic)
            require(self._sight, topic, self._needs)
            with explained(f"looking at Kafka at {cluster}"):
                self._cluster_id = self._admin.describe_cluster()["cluster_id"]
            self._rounds = Rounds(f"watching topic {topic}", self._look, every_s=lambda: self._pause_s, soon_s=_SOON_S, on_look=on_look)
        except BaseException:
            self._admin.close()
            raise

    @property
    def uid(self) -> str:
        """What the topic is: "kafka:<cluster id>/<topic id>"."""
        return f"kafka:{self._cluster_id}/{self._sight.topic_id}"

    @property
    def partitions(self) -> int:
        """How many partitions the topic had at the last look."""
        return self._sight.partitions

    @property
    def verified_s(self) -> float:
        """What was fetched until then (`time.monotonic()`) is known to be of the topic that was opened."""
        return self._rounds.looked_s

    @property
    def missing(self) -> bool:
        """Whether the last look found no topic, or another one."""
        return isinstance(self._failure, TopicMissingError | LogReplacedError)

    def check(self) -> None:
        """Raise what the last look found; does not wait.

        Raises:
            LogReplacedError: The topic was made anew; final.
            LogUnavailableError: It was deleted.
            ConfigurationError: A permission is missing.
            HeadcountError: Nobody looks any more: without a look nothing that is fetched counts, and who reads would wait for ever.
        """
        failure = self._failure or self._rounds.death
        if failure is not None:
            raise failure.with_traceback(None)  # else each raise adds to it

    def need(self, operation: str) -> None:
        """Watch from now on that this user may do something more with the topic.

        Raises:
            ConfigurationError: Not so at the last look.
        """
        require(self._sight, self._topic, {operation})
        self._needs |= {operation}

    def want(self) -> None:
        """Look soon: something was fetched, or a call failed."""
        self._rounds.want(time.monotonic())

    def verify(self, timeout_s: float) -> None:
        """Look now and wait for what is found.

        Raises:
            LogReplacedError: The topic was made anew.
            LogUnavailableError: It was deleted, or no broker answers.
            ConfigurationError: A permission is missing.
        """
        self._rounds.wait(time.monotonic(), timeout_s)
        self.check()

    def close(self) -> None:
        """Stop watching."""
        self._rounds.close()
        self._admin.close()

    def _look(self) -> None:
        if isinstance(self._failure, LogReplacedError):
            raise self._failure
        try:
            self._compare(look_at(self._admin, self._topic))
        except LogReplacedError as error:
            LOG_REPLACED.inc()
            self._note(error, pause_s=None)
            raise
        except (TopicMissingError, ConfigurationError) as error:
            self._note(error, pause_s=_EVERY_IN_TROUBLE_S)
            raise
        except HeadcountError:  # nothing is known of the topic; calls fail by themselves
            self._pause_s = _EVERY_IN_TROUBLE_S
            raise
        self._note(None, pause_s=_EVERY_S)

    def _compare(self, sight: Sight) -> None:
        if sight.topic_id != self._sight.topic_id:
            raise LogReplacedError(f"topic {self._topic} was deleted and made anew; what works with it must be started again")
        require(sight, self._topic, self._needs)
        self._sight = sight

    def _note(self, failure: HeadcountError | None, *, pause_s: float | None) -> None:
        if str(failure) != str(self._failure):
            _log.warning("topic_watched", topic=self._topic, found="as it was" if failure is None else str(failure))
        self._failure, self._pause_s = failure, pause_s


def _forbidden(topic: str, operation: str) -> ConfigurationError:
    return ConfigurationError(f"the user has no {operation} permission for topic {topic}; grant it (docs/kafka.md, Permissions)")
