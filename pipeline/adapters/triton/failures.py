"""What Triton's refusals mean to us: every status of gRPC is one of our errors."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError, HeadcountError, TransientError

if TYPE_CHECKING:
    from tritonclient.utils import InferenceServerException

_MOST_CHARACTERS = 200  # of Triton's own words
_UNKNOWN_MODEL = "Request for unknown model"  # so Triton begins what it says of a version that was unloaded, with UNAVAILABLE
# And so of a model that its repository does not hold, with INTERNAL; and where it was not started with --model-control-mode=explicit.
_REFUSALS = ("failed to load", "explicit model load")


class AwayError(TransientError):
    """Triton, or the process that runs the model in it, does not answer."""


class NotServedError(TransientError):
    """Triton answers, but serves no such model or version now: it may be being replaced."""


class Meaning(Enum):
    """What a status says."""

    AWAY = "away"
    NOT_SERVED = "not served"
    REFUSED = "refused"


# INTERNAL is what Triton says where the process behind a model has died: it is healed, and the same crops are answered then.
MEANINGS = {
    "CANCELLED": Meaning.AWAY,
    "UNKNOWN": Meaning.AWAY,
    "DEADLINE_EXCEEDED": Meaning.AWAY,
    "RESOURCE_EXHAUSTED": Meaning.AWAY,
    "ABORTED": Meaning.AWAY,
    "INTERNAL": Meaning.AWAY,
    "UNAVAILABLE": Meaning.AWAY,
    "DATA_LOSS": Meaning.AWAY,
    "NOT_FOUND": Meaning.NOT_SERVED,
    "INVALID_ARGUMENT": Meaning.REFUSED,
    "ALREADY_EXISTS": Meaning.REFUSED,
    "PERMISSION_DENIED": Meaning.REFUSED,
    "FAILED_PRECONDITION": Meaning.REFUSED,
    "OUT_OF_RANGE": Meaning.REFUSED,
    "UNIMPLEMENTED": Meaning.REFUSED,
    "UNAUTHENTICATED": Meaning.REFUSED,
}


def to_ours(error: InferenceServerException, address: str) -> HeadcountError:
    """Return our error for one of Triton's client."""
    status = str(error.status() or "").removeprefix("StatusCode.")
    words = first_line(str(error.message() or ""))
    meaning = MEANINGS.get(status, Meaning.REFUSED)  # without a status the client itself has refused
    if meaning is Meaning.NOT_SERVED or words.startswith(_UNKNOWN_MODEL):
        return NotServedError(f"Triton at {address} does not serve that now ({words}); see: headcount models list")
    if meaning is Meaning.AWAY and not words.startswith(_REFUSALS):
        return AwayError(f"Triton at {address} does not answer; start it, or see its log ({status}: {words})")
    return ConfigurationError(f"Triton at {address} refuses ({status or 'client'}: {words}); check HEADCOUNT_TRITON_URL and the model")


def first_line(words: str) -> str:
    """Return what fits into a message of one line."""
    lines = [line for line in words.splitlines() if line.strip()]
    return lines[0].strip()[:_MOST_CHARACTERS] if lines else "no words"
