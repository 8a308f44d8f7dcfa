"""Every status that gRPC has is one of our errors."""

from __future__ import annotations

import grpc
import pytest
from tritonclient.utils import InferenceServerException

from pipeline.adapters.triton.failures import MEANINGS, AwayError, Meaning, NotServedError, to_ours
from pipeline.errors import ConfigurationError, HeadcountError, TransientError

STATUSES = [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
CLASSES: dict[Meaning, type[HeadcountError]] = {
    Meaning.AWAY: AwayError,
    Meaning.NOT_SERVED: NotServedError,
    Meaning.REFUSED: ConfigurationError,
}


def ours(status: str | None, message: str | None = "words") -> HeadcountError:
    return to_ours(InferenceServerException(message, status=None if status is None else f"StatusCode.{status}"), "host:8001")


def test_every_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_the_error_that_it_means(status: str) -> None:
    error = ours(status)
    assert type(error) is CLASSES[MEANINGS[status]]
    assert "host:8001" in str(error)
    assert "words" in str(error)


@pytest.mark.parametrize(
    ("status", "message", "transient"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; last error: Connection refused", True),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", True),
        ("INTERNAL", "Stub process 'face_attributes_0_0' is not healthy.", True),
        ("RESOURCE_EXHAUSTED", "Exceeds maximum queue size", True),
        ("CANCELLED", "Locally cancelled by application!", True),
        ("INVALID_ARGUMENT", "unexpected shape for input 'face'", False),
        ("INTERNAL", "failed to load 'faces', failed to poll from model repository", False),
        ("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled", False),
        (None, "got unexpected numpy array shape", False),
    ],
)
def test_what_passes_is_told_from_what_does_not(status: str | None, message: str, transient: bool) -> None:  # noqa: FBT001 - a case's field
    assert isinstance(ours(status, message), TransientError) == transient


def test_a_version_that_was_unloaded_is_not_taken_for_a_server_that_is_away() -> None:
    message = "Request for unknown model: 'face_attributes' version 1 is not at ready state"
    assert isinstance(ours("UNAVAILABLE", message), NotServedError)


@pytest.mark.parametrize("message", ["first\nsecond\n\nAt:\n  file.py(3)", "\n first", "first" + "t" * 5000])
def test_messages_are_one_short_line(message: str) -> None:
    text = str(ours("INTERNAL", message))
    assert "first" in text
    assert "\n" not in text
    assert len(text) < 400


def test_no_message_is_said() -> None:
    assert "no words" in str(ours("UNKNOWN", None))
