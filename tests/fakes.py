"""The ports in memory, for tests: a log and a registry that can be away for a while."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from pipeline.errors import DatabaseUnavailableError, FencedError, InvalidRecordError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.ports import Lease
from pipeline.record import to_segment
from pipeline.types import Camera, Decode, Record, Segment, SegmentKind, StoredRecord, to_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.errors import HeadcountError
    from pipeline.ports import SourcePosition


_APPENDED_US = to_us(datetime.now(UTC))


@dataclass
class MemoryLog:
    """A `SegmentLog` in memory."""

    max_bytes: int = 2**30
    failures: int = 0  # so many appends fail from now on
    lands_anyway: bool = False  # a failed append is in the log all the same
    partitions: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _lock: Lock = field(default_factory=Lock, repr=False)

    def uid(self) -> str:
        return "memory:1"

    def offsets(self, partition: int) -> range:
        return range(len(self.partitions[partition]))

    def appended_us(self, partition: int, offset: int) -> int | None:
        return _APPENDED_US if offset < len(self.partitions[partition]) else None

    def read(self, partition: int, offset: int, *, max_bytes: int, timeout_s: float) -> Sequence[StoredRecord]:
        del timeout_s
        if not 0 <= offset <= self.offsets(partition).stop:
            raise OffsetOutOfRangeError(partition, offset, 0, self.offsets(partition).stop)
        taken: list[StoredRecord] = []
        for place, record in enumerate(self.partitions[partition][offset:], offset):
            if taken and sum(stored.record.size for stored in taken) + record.size > max_bytes:
                break
            taken.append(StoredRecord(partition=partition, offset=place, record=record, appended_us=_APPENDED_US))
        return taken

    def append(self, partition: int, record: Record) -> int:
        if record.size > self.max_bytes:
            raise InvalidRecordError("too_large")
        with self._lock:
            failing = self.failures > 0
            self.failures -= failing
            if not failing or self.lands_anyway:
                self.partitions[partition].append(record)
            if failing:
                raise LogUnavailableError("the log is away")
            return len(self.partitions[partition]) - 1

    def segments(self, partition: int) -> list[Segment]:
        return [to_segment(record) for record in self.partitions[partition]]


@dataclass
class MemoryShelf:
    """A `DeadLetterShelf` in memory; `refusals` are what the next calls raise."""

    refusals: deque[HeadcountError] = field(default_factory=deque)
    kept: dict[tuple[int, int], tuple[Record, str]] = field(default_factory=dict)  # partition and offset -> record and reason

    def keep(self, stored: StoredRecord, reason: str) -> None:
        if self.refusals:
            raise self.refusals.popleft()
        self.kept[stored.partition, stored.offset] = (stored.record, reason)

    def find(self, partition: int, offset: int) -> Record | None:
        record, _ = self.kept.get((partition, offset), (None, ""))
        return record


@dataclass
class MemoryRegistry:
    """A `Registry` in memory; `keeps_up` says that what is acknowledged is committed at once."""

    keeps_up: bool = True
    failures: int = 0  # so many calls fail from now on
    fenced: bool = False
    cameras: dict[str, Camera] = field(default_factory=dict)
    acknowledged: dict[tuple[UUID, int], Segment] = field(default_factory=dict)
    committed_offsets: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    released: list[Lease] = field(default_factory=list)
    live_sessions: int = 0

    def register(self, name: str, source: str, decode: Decode | None = None) -> Camera:
        del source
        new = Camera(camera_id=uuid5(NAMESPACE_URL, name), name=name, site="default", partition=len(self.cameras) % 4)
        camera = self.cameras.get(name, new)
        self.cameras[name] = replace(camera, decode=decode or camera.decode)
        return self.cameras[name]

    def lease(self, camera: Camera, session: int | None) -> Lease:
        self._answer()
        if session is None:
            self.live_sessions += 1
            session = self.live_sessions
        last = self.acknowledged.get((camera.camera_id, session))
        return Lease(
            camera=camera,
            session=session,
            next_sequence=last.sequence + 1 if last else 0,
            finished=last is not None and last.kind is SegmentKind.END,
        )

    def acknowledge(self, lease: Lease, segment: Segment, offset: int) -> None:
        self._answer()
        if self.fenced:
            raise FencedError("the lease was lost")
        self.acknowledged[lease.camera.camera_id, lease.session] = segment
        if self.keeps_up:
            self.committed_offsets[lease.camera.partition] = offset + 1

    def committed(self, partition: int) -> int:
        self._answer()
        return self.committed_offsets[partition]

    def release(self, lease: Lease) -> None:
        self.released.append(lease)

    def _answer(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise DatabaseUnavailableError("the database is away")


@dataclass
class ListSource:
    """A `SegmentSource` of given segments; they take the position's camera and session."""

    items: Sequence[Segment]
    session: int | None = 7
    can_wait: bool = True

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        for segment in self.items[position.next_sequence :]:
            yield replace(segment, camera_id=position.camera_id, session=position.session)

    def close(self) -> None:
        """Do nothing."""
