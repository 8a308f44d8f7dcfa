"""Maps what kafka-python raises onto our error tree; imports errors only.

Its texts quote whole requests and are never shown: the class says what happened.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka import errors as kafka

from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOGIN = "check HEADCOUNT_KAFKA_USERNAME, HEADCOUNT_KAFKA_PASSWORD and HEADCOUNT_KAFKA_SASL"
_GRANT = "grant it to the user (docs/kafka.md, Permissions)"
_APPLY = "run headcount topics apply"
_OLD = "the brokers are too old or too new for this client; Headcount is tested with Kafka 4.3"

# What would fail again until somebody changes something. Everything else may pass: brokers come back, leaders are elected.
_FINAL: Mapping[type[Exception], str] = {
    kafka.SaslAuthenticationFailedError: f"authentication failed; {_LOGIN}",
    kafka.UnsupportedSaslMechanismError: "the brokers do not offer this way to log in; change HEADCOUNT_KAFKA_SASL",
    kafka.IllegalSaslStateError: "the brokers do not ask for a password here; unset HEADCOUNT_KAFKA_USERNAME, or use the other port",
    kafka.SecurityDisabledError: "the brokers have no authorizer; switch one on, or keep no permissions",
    kafka.AuthorizationError: f"a permission is missing; {_GRANT}",
    kafka.DelegationTokenNotFoundError: f"authentication failed; {_LOGIN}",
    kafka.DelegationTokenExpiredError: f"authentication failed; {_LOGIN}",
    kafka.MessageSizeTooLargeError: f"the topic takes smaller records than HEADCOUNT_SEGMENT_MAX_BYTES needs; {_APPLY}",
    kafka.RecordListTooLargeError: f"the topic takes smaller records than HEADCOUNT_SEGMENT_MAX_BYTES needs; {_APPLY}",
    kafka.InvalidTopicError: "the topic's name is not allowed; change HEADCOUNT_KAFKA_TOPIC",
    kafka.InvalidPartitionsError: "the number of partitions is not allowed; change HEADCOUNT_KAFKA_PARTITIONS",
    kafka.InvalidReplicationFactorError: "there are fewer brokers than copies; lower HEADCOUNT_KAFKA_REPLICATION, or add brokers",
    kafka.InvalidConfigurationError: "the brokers refuse a setting of the topic; see their log",
    kafka.PolicyViolationError: "a policy of the brokers forbids it; ask who runs them",
    kafka.TopicDeletionDisabledError: "the brokers do not let topics be deleted; set delete.topic.enable=true",
    kafka.KafkaConfigurationError: "kafka-python refuses an option; install the version that requirements.lock names",
    kafka.UnsupportedVersionError: _OLD,
    kafka.UnrecognizedBrokerVersion: _OLD,
    kafka.UnsupportedForMessageFormatError: _OLD,
    kafka.UnsupportedCodecError: "a record is compressed in a way that is not installed; Headcount's topics are not compressed",
    kafka.UnsupportedCompressionTypeError: f"the topic is compressed in a way that cannot be used; {_APPLY}",
}


@contextmanager
def explained(doing: str = "talking to Kafka") -> Iterator[None]:
    """Raise ours for whatever kafka-python raises.

    Args:
        doing: What was tried, for the message: "reading the topic segments".

    Raises:
        LogUnavailableError: It may pass.
        ConfigurationError: It will not, until somebody changes what the message names.
    """
    try:
        yield
    except (kafka.KafkaError, OSError) as error:
        raise translated(error, doing) from None


def translated(error: kafka.KafkaError | OSError, doing: str) -> HeadcountError:
    """Return the error of ours that says what to do about `error`."""
    for kind in type(error).__mro__:
        if kind in _FINAL:
            return ConfigurationError(f"{doing}: {_FINAL[kind]}")
    return LogUnavailableError(f"{doing}: {_passing(error)}; trying again may help")


def _passing(error: kafka.KafkaError | OSError) -> str:
    if isinstance(error, kafka.KafkaTimeoutError | kafka.RequestTimedOutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, kafka.KafkaConnectionError | kafka.NodeNotReadyError | OSError):
        return "a broker cannot be reached"
    if isinstance(error, kafka.NotEnoughReplicasError | kafka.NotEnoughReplicasAfterAppendError):
        return "too few brokers hold a copy (min.insync.replicas)"
    if isinstance(error, kafka.UnknownTopicOrPartitionError | kafka.UnknownTopicIdError):
        return "the topic is not there"
    return f"Kafka says {type(error).__name__}"
