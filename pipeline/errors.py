"""The error tree; imports nothing of ours. A class is chosen by what the caller must do.

HeadcountError
├── TransientError          try again later: the outside world is away
│   ├── DatabaseUnavailableError
│   ├── LogUnavailableError
│   └── ClusterLostError     build the cluster anew: its workers are gone
├── InvalidRecordError      dead-letter it: the data is at fault
├── ConfigurationError      exit 2: the user must change something
│   ├── SourceError         a camera, file or folder cannot be used
│   ├── CameraHeldError     another live process feeds the camera
│   └── TooManyDeadLettersError  so many records in a row cannot be used that not they are at fault
├── FencedError             another process holds the claim: drop what is in hand
│   └── SupersededError     another incarnation took this worker's slot: exit
├── LogReplacedError        the log was made anew under its name: open everything anew
├── HungError               a thread does not stop: end the process without waiting for it
└── OffsetOutOfRangeError   the log no longer has it (record a gap), or never had it (alarm)

Messages are one line, say what to do, and never hold a credential.
"""

from __future__ import annotations


class HeadcountError(Exception):
    """Something that Headcount knows how to explain."""

    exit_code = 1


class TransientError(HeadcountError):
    """The outside world is away for now; trying again may help."""


class DatabaseUnavailableError(TransientError):
    """The database does not answer."""


class LogUnavailableError(TransientError):
    """The segment log cannot be read or written for now."""


class ClusterLostError(TransientError):
    """The place where the workers run is gone, and the workers with it; it must be built anew."""


class InvalidRecordError(HeadcountError):
    """A record cannot be used; `reason` is one of the fixed words under which it is counted."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class ConfigurationError(HeadcountError):
    """The user asked for something that cannot be; the message names what to change."""

    exit_code = 2


class SourceError(ConfigurationError):
    """A source cannot be used; `kind` is one of a few fixed words (auth_failed, not_a_video, ...).

    The kinds in `MACHINE_KINDS` are not the user's mistake and exit with 1.
    """

    MACHINE_KINDS = frozenset({"connection_failed", "tls_failed", "timeout", "no_keyframe", "clock_set", "unreadable"})

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.exit_code = 1 if kind in self.MACHINE_KINDS else 2


class CameraHeldError(ConfigurationError):
    """Another live process feeds the camera: both would have seen the same people."""


class TooManyDeadLettersError(ConfigurationError):
    """Records of several cameras in a row cannot be used: the sender or this version is at fault, and going on would lose them."""


class FencedError(HeadcountError):
    """The claim is no longer ours: drop state, queue and results, publish nothing."""


class SupersededError(FencedError):
    """A newer incarnation runs in this worker's slot: the process must exit."""


class LogReplacedError(HeadcountError):
    """The log is another one than the one that was opened: its topic was deleted and made anew. What works with it must be opened anew."""


class HungError(HeadcountError):
    """A thread did not stop in time; the interpreter would wait for it for ever, so the process must be ended at once."""


class OffsetOutOfRangeError(HeadcountError):
    """The offset lies outside [earliest, latest] of its partition."""

    def __init__(self, partition: int, offset: int, earliest: int, latest: int) -> None:
        super().__init__(f"partition {partition}: offset {offset} lies outside {earliest}..{latest}")
        self.partition = partition
        self.offset = offset
        self.earliest = earliest
        self.latest = latest
