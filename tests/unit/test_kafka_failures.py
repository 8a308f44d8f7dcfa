from __future__ import annotations

import inspect
import ssl

import pytest
from kafka import errors as kafka

from pipeline.adapters.kafka.failures import explained
from pipeline.errors import ConfigurationError, HeadcountError, LogUnavailableError

EVERY_ERROR = [kind for _, kind in inspect.getmembers(kafka, inspect.isclass) if issubclass(kind, kafka.KafkaError)]
FINAL = {
    kafka.AuthorizationError,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailedError,
    kafka.DelegationTokenAuthorizationFailedError,
    kafka.DelegationTokenNotFoundError,
    kafka.DelegationTokenExpiredError,
    kafka.SaslAuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.SecurityDisabledError,
    kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidTopicError,
    kafka.InvalidPartitionsError,
    kafka.InvalidReplicationFactorError,
    kafka.InvalidConfigurationError,
    kafka.PolicyViolationError,
    kafka.TopicDeletionDisabledError,
    kafka.KafkaConfigurationError,
    kafka.UnsupportedVersionError,
    kafka.IncompatibleBrokerVersion,
    kafka.UnrecognizedBrokerVersion,
    kafka.UnsupportedForMessageFormatError,
    kafka.UnsupportedCodecError,
    kafka.UnsupportedCompressionTypeError,
}


def explain(error: Exception) -> HeadcountError:
    with pytest.raises(HeadcountError) as raised, explained("writing the topic seen"):
        raise error
    return raised.value


def made(kind: type[kafka.KafkaError]) -> kafka.KafkaError:
    return kind({}, "secret\nlines") if kind is kafka.LogTruncationError else kind("secret\nlines")


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_client_is_ours_and_says_what_was_tried_but_not_its_text(kind: type[kafka.KafkaError]) -> None:
    error = explain(made(kind))
    assert type(error) is (ConfigurationError if kind in FINAL else LogUnavailableError)
    assert str(error).startswith("writing the topic seen: ")
    assert "secret" not in str(error)
    assert "\n" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_the_client_has_errors_to_map() -> None:
    assert len(EVERY_ERROR) > 140
    assert set(EVERY_ERROR) > FINAL


def test_a_code_that_the_client_does_not_know_may_pass() -> None:
    assert isinstance(explain(kafka.for_code(9999)()), LogUnavailableError)


@pytest.mark.parametrize("error", [ConnectionResetError("secret"), ssl.SSLError(1, "secret"), TimeoutError()])
def test_what_the_socket_says_may_pass(error: OSError) -> None:
    assert isinstance(explain(error), LogUnavailableError)


def test_a_mistake_of_ours_is_seen_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError
