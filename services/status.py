"""`headcount status`: looks at a column from outside and says how it does, as one JSON document (docs/status.schema.json)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.caution import CAREFUL_FROM
from pipeline.errors import LogReplacedError, TransientError
from pipeline.lag import lag_of
from services.clock import SystemClock
from services.report import rounded
from services.wiring import open_readers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pipeline.adapters.postgres.status import CameraStatus, ColumnStatus, PartitionStatus, WorkerStatus
    from pipeline.ports import SegmentLog
    from pipeline.settings import Settings
    from pipeline.types import Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a partition ends, and how far the work is behind."""

    offset: int  # that the next record will get or exceed
    lag: Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the database and the log say at one instant."""

    at: datetime
    place: str  # where was looked, for people
    column: ColumnStatus | None  # None: nothing was ever kept there
    ends: Mapping[int, End] | None  # of the partitions that can be read; None: the log is not on this machine

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        column = self.column
        document: dict[str, Any] = {
            "at": self.at.isoformat(),
            "log": None,
            "minutes": None,
            "partitions": [],
            "workers": [],
            "cameras": [],
            "rejected": {},
            "dead_letters": {},
        }
        if column is None:
            return document
        return document | {
            "log": None if column.log_uid is None else {"uid": column.log_uid, "here": self.ends is not None},
            "minutes": {"from": column.since.isoformat(), "to": column.until.isoformat()},
            "partitions": [_partition_object(partition, (self.ends or {}).get(partition.partition)) for partition in column.partitions],
            "workers": [_worker_object(worker) for worker in column.workers],
            "cameras": [_camera_object(camera) for camera in column.cameras],
            "rejected": dict(column.rejected),
            "dead_letters": dict(column.dead_letters),
        }


def look(settings: Settings, notice: Callable[[str], None], *, minutes: int) -> Status:
    """Return how the kept column does; starts the embedded database where it is not running, and makes none.

    Args:
        settings: Where it is.
        notice: Told what was changed on the machine.
        minutes: So many minutes of stream time are looked at.

    Raises:
        HeadcountError: The database cannot be used.
    """
    clock = SystemClock()
    if settings.database_url is None and not (settings.data_dir / "postgres").is_dir():
        return Status(at=clock.now(), place=str(settings.data_dir), column=None, ends=None)
    place = str(settings.data_dir) if settings.database_url is None else "the database"
    with open_readers(settings, notice) as (reader, log):
        column = reader.read(None if log is None else log.uid(), minutes)
        now = clock.now()
        ends = None if log is None or log.uid() != column.log_uid else _ends(log, column, now)
    return Status(at=now, place=place, column=column, ends=ends)


def is_careful(partition: PartitionStatus) -> bool:
    """Say whether so many holders of a partition died that its records are opened one by one."""
    return partition.crashes >= CAREFUL_FROM


def _ends(log: SegmentLog, column: ColumnStatus, now: datetime) -> dict[int, End]:
    ends: dict[int, End] = {}
    for known in column.partitions:
        try:
            lag = lag_of(log, known.partition, known.position, now)
            ends[known.partition] = End(offset=log.offsets(known.partition).stop, lag=lag)
        except (TransientError, LogReplacedError):  # it was made anew while we looked
            continue
    return ends


def _partition_object(partition: PartitionStatus, end: End | None) -> dict[str, Any]:
    return {
        "partition": partition.partition,
        "state": partition.holding.value,
        "slot": partition.slot,
        "node": partition.node,
        "pid": partition.pid,
        "position": partition.position,
        "end": None if end is None else end.offset,
        "lag_records": None if end is None else end.lag.records,
        "lag_s": None if end is None else rounded(end.lag.seconds),
        "crashes": partition.crashes,
        "careful": is_careful(partition),
        "suspect_offset": partition.suspect_offset,
        "suspect_count": partition.suspect_count,
    }


def _worker_object(worker: WorkerStatus) -> dict[str, Any]:
    return {
        "slot": worker.slot,
        "node": worker.node,
        "pid": worker.pid,
        "alive": worker.alive,
        "seen_s": rounded(worker.seen_s),
        "partitions": worker.partitions,
    }


def _camera_object(camera: CameraStatus) -> dict[str, Any]:
    return {
        "camera": camera.name,
        "site": camera.site,
        "partition": camera.partition,
        "fed_s": rounded(camera.fed_s),
        "last_minute": None if camera.last_minute is None else camera.last_minute.isoformat(),
        "observed_s": sum(camera.seconds),
        "seconds": list(camera.seconds),
    }
