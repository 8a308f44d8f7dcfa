"""The seams of Headcount: what the library needs from the outside world. Imports types and errors only.

The implementations are in `pipeline/adapters/`, each held to its contract suite in `tests/contract/`, which is written so that
another one can be held to it. Whoever constructs an adapter (services/wiring.py) closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from pipeline.health import Health
    from pipeline.types import Attributes, BatchResult, Camera, Claim, DeadLetter, Decode, Detections, Record, Segment, StoredRecord, UInt8


class Clock(Protocol):
    """The worker's clock: for pacing and leases, never for what is counted."""

    def now(self) -> datetime:
        """Return the UTC instant, timezone-aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...


class SegmentLog(Protocol):
    """An append-only, partitioned log of records. Safe to use from several threads; many processes may read."""

    def uid(self) -> str:
        """Return what this log is ("local:<uuid>", "kafka:<cluster>/<topic id>"): a log that was made anew has another."""
        ...

    def offsets(self, partition: int) -> range:
        """Return the offsets from the oldest record that is still there up to the one that the next record will get or exceed.

        It may be as old as a second; a reader asks it often, so it does not wait for the network where records flow.

        Raises:
            LogUnavailableError: The log cannot be read for now.
            LogReplacedError: It was made anew under its name.
        """
        ...

    def appended_us(self, partition: int, offset: int) -> int | None:
        """Return when the first record at or after `offset` was appended, UTC microseconds by the log's clock; None: there is none.

        For lag only. It may have to fetch the record; reading elsewhere is not disturbed.

        Raises:
            LogUnavailableError: The log cannot be read for now.
        """
        ...

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        """Return records from `offset` on, in order; empty when none came within `timeout_s`.

        Offsets may have holes: go on at the last record's offset + 1. At least one record is returned when there is one,
        even if it is larger than `max_bytes`.

        Raises:
            OffsetOutOfRangeError: `offset` is below the oldest record's or beyond the next one's.
            LogUnavailableError: The log cannot be read for now.
            LogReplacedError: It was made anew under its name.
        """
        ...

    def append(self, partition: int, record: Record) -> int:
        """Append a record and return its offset once it survives the death of this process; in order per partition.

        Raises:
            InvalidRecordError: The record is larger than the log carries (reason "too_large").
            LogUnavailableError: It may or may not be in the log: append it again (repeats stand next to each other).
            LogReplacedError: The log was made anew under its name.
        """
        ...


class DeadLetterShelf(Protocol):
    """Keeps the bytes of records that could not be used, for as long as the log keeps its own. Safe to use from several threads."""

    def keep(self, stored: StoredRecord, reason: str) -> None:
        """Keep a record; twice does no harm.

        Args:
            stored: With its place in the log.
            reason: Why it could not be used, one of the words under which it is counted.

        Raises:
            LogUnavailableError: Try again.
        """
        ...

    def find(self, partition: int, offset: int) -> Record | None:
        """Return the record that was set aside at a place in the log; None where it is gone.

        Raises:
            LogUnavailableError: Try again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePosition:
    """Where to go on with a source: who it is, and the first sequence that is wanted."""

    camera_id: UUID
    session: int
    next_sequence: int = 0


class SegmentSource(Protocol):
    """One opened video of one camera, cut into segments. Used by one thread."""

    @property
    def session(self) -> int | None:
        """The session that the content itself gives (a file), or None: the lease gives it (a live camera)."""
        ...

    @property
    def can_wait(self) -> bool:
        """Whether nothing is lost while it is not read: a recording. Of an address it is known with its first segment."""
        ...

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        """Yield the segments from `position` on, in order, ending with an END record where the source ends.

        The same file yields the same segments each time. A quiet live camera yields GAP records.

        Raises:
            SourceError: The source cannot be read any further; what was yielded before stands.
        """
        ...

    def close(self) -> None:
        """Release the source; only from the thread that reads it."""
        ...


class Detector(Protocol):
    """Finds faces in a picture. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """Name and version, for the visits: "yunet-n@104ee26c"."""
        ...

    def detect(self, picture: UInt8) -> Detections:
        """Find faces in (h, w, 3) uint8 BGR; boxes in its pixels, scores from `settings.detector_low_threshold` on, best first."""
        ...


class Classifier(Protocol):
    """Estimates apparent age and gender of aligned crops. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """Model, version and crop recipe that would answer now: "face_attributes:1/tight-1"."""
        ...

    def classify(self, crops: UInt8) -> Attributes:
        """Classify (n, 112, 112, 3) uint8 RGB crops, n of 0 or more; one version of the model answers all of them.

        Raises:
            TransientError: The model server does not answer.
            ConfigurationError: The model answers with what cannot be used, and would again: it is broken.
        """
        ...


class Absence(StrEnum):
    """Why a worker does not answer."""

    SILENT = "silent"  # it hangs, is very busy, or is being started
    RESTARTING = "restarting"  # it has died


class Crew(Protocol):
    """Processes that run workers, one in each slot. They are started, asked and ended here; their work goes past it. Used by one thread."""

    def start(self, slot: str) -> None:
        """Start a worker in a slot, where none is; it is started again by itself when it dies.

        Raises:
            ClusterLostError: There is nothing to start it on; call `rebuild`.
        """
        ...

    def ask(self, timeout_s: float) -> Mapping[str, Health | Absence]:
        """Return each slot's health, or why there is no answer within `timeout_s`.

        Raises:
            ClusterLostError: The workers are gone, or will be; call `rebuild`.
        """
        ...

    def replace(self, slot: str) -> None:
        """End a worker that hangs, whatever it does, and start another one in its slot."""
        ...

    def stop(self, slots: Sequence[str], timeout_s: float) -> Mapping[str, Health]:
        """Let workers end in good order, and end those that have not after `timeout_s`; return what they said last."""
        ...

    def rebuild(self) -> None:
        """After a ClusterLostError: build the place anew. No slot has a worker then.

        Raises:
            ClusterLostError: It cannot be built for now.
        """
        ...


class Claims(Protocol):
    """The right to write partitions, taken in the database (docs/exactly-once.md). One log, one worker slot."""

    def renew(self) -> None:
        """Say that this worker lives; own connection, called from an own thread.

        Raises:
            SupersededError: A newer incarnation runs in this slot.
            DatabaseUnavailableError: Try again.
        """
        ...

    def acquire(self) -> Sequence[Claim]:
        """Claim free partitions up to this worker's fair share; return the new claims (none: empty).

        Raises:
            DatabaseUnavailableError: Try again.
        """
        ...

    def surplus(self, held: int) -> int:
        """Return how many of `held` claims lie above the fair share of the live workers of this log."""
        ...

    def release(self, claim: Claim) -> None:
        """Give a claim back; does nothing when it is no longer ours."""
        ...


class Facts(Protocol):
    """What a claim's holder reads and writes: camera states, and one transaction per batch. Safe to use from several threads."""

    def load(self, claim: Claim) -> Mapping[UUID, bytes]:
        """Return the serialised camera states of the claim's partition."""
        ...

    def trail(self, claim: Claim, most: int) -> Sequence[DeadLetter]:
        """Return the dead letters of the offsets directly before the claim's position, without an offset between that gave none.

        Args:
            claim: At its position.
            most: At most so many, the newest.
        """
        ...

    def suspect(self, claim: Claim, offset: int, count: int) -> Claim:
        """Write down, behind the fence, that the claim is about to open a record which may kill this process; idempotent.

        Args:
            claim: At the position before the record.
            offset: Of the record.
            count: Claims that opened it and did not live to store it, should this one be another.

        Raises:
            FencedError: The claim is not ours any more.
            DatabaseUnavailableError: Try again.
        """
        ...

    def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
        """Write a batch and move the position from `claim.next_offset` to `to_offset`, all or nothing, behind the fence.

        Returns the claim at its new position, without a suspect, also when an earlier try of the same commit had landed unseen.

        Args:
            claim: At the position before the batch.
            to_offset: After it.
            result: What it changes.
            stay_careful: The claim's crashes stay counted, for what kills may still come; else they are forgotten.

        Raises:
            FencedError: The claim is not ours any more; nothing was written.
            DatabaseUnavailableError: Nothing is known; call `confirm`.
        """
        ...

    def confirm(self, claim: Claim, to_offset: int) -> Claim:
        """After a lost connection: return the claim at its committed position (`to_offset` when the commit had landed).

        Raises:
            FencedError: The claim is not ours any more.
            DatabaseUnavailableError: Try again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One ingest process's right to a camera, and how far the session is known to be in the log."""

    camera: Camera
    session: int
    next_sequence: int  # first sequence that is not acknowledged
    finished: bool  # the session's END is in the log, or was committed by an earlier run


class Registry(Protocol):
    """The cameras: who they are, who feeds them, how far. Safe to use from several threads."""

    def register(self, name: str, source: str, decode: Decode | None = None) -> Camera:
        """Return the camera of this name, made with the least loaded partition where it is new.

        Args:
            name: Unique within the site of the settings.
            source: Redacted form of its address; only ever shown.
            decode: How much of its video is decoded from now on; None: as before, or the default of a new one.
        """
        ...

    def lease(self, camera: Camera, session: int | None) -> Lease:
        """Take (or renew) the camera for this process; `session` None asks for the next live session's number.

        Raises:
            CameraHeldError: Another live process feeds this camera.
        """
        ...

    def acknowledge(self, lease: Lease, segment: Segment, offset: int) -> None:
        """Store that `segment` is in the log at `offset`; renews the lease.

        Raises:
            FencedError: The lease was lost.
        """
        ...

    def committed(self, partition: int) -> int:
        """Return the partition's committed position: the first offset that is not yet analysed and stored."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the camera back; does nothing when the lease is no longer ours."""
        ...
