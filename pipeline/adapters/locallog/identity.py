"""Who a log on disk is, and who may write it: its meta file and its lock file; imports errors only."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.locallog.writer import sync_folder
from pipeline.errors import ConfigurationError, LogUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1
_META = "log.json"
_LOCK = "writer.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the meta file keeps."""

    uid: str  # "local:<uuid>", made once
    partitions: int

    @property
    def seed(self) -> int:
        """Where the checksum of this log's frames begins."""
        return zlib.crc32(self.uid.encode())


def partition_folder(path: Path, partition: int) -> Path:
    """Return the folder of a partition's data files."""
    return path / f"partition-{partition:04d}"


def load(path: Path) -> Identity:
    """Read who the log at `path` is.

    Raises:
        LogUnavailableError: There is no log yet.
        ConfigurationError: What is there cannot be read by this version.
    """
    try:
        meta = json.loads((path / _META).read_bytes())
        found, uid, partitions = meta["format"], str(meta["uid"]), int(meta["partitions"])
    except FileNotFoundError:
        raise LogUnavailableError(f"there is no segment log in {path} yet; start an ingest, which makes it") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{path / _META} is damaged; move {path} away, and a new segment log will be made") from None
    if found != _FORMAT:
        raise ConfigurationError(
            f"{path} is a segment log of format {found}, this version reads {_FORMAT}; install the version that wrote it"
        )
    return Identity(uid=uid, partitions=partitions)


def make_or_extend(path: Path, partitions: int) -> Identity:
    """Make the log, or add partitions to the one that is there; the caller holds the writer's lock.

    Raises:
        ConfigurationError: The log has more partitions than are asked for.
    """
    known = load(path) if (path / _META).exists() else Identity(uid=f"local:{uuid.uuid4()}", partitions=0)
    if partitions < known.partitions:
        raise ConfigurationError(
            f"the segment log in {path} has {known.partitions} partitions and cannot shrink to {partitions}; "
            f"set HEADCOUNT_PARTITIONS to {known.partitions} or more"
        )
    identity = Identity(uid=known.uid, partitions=partitions)
    for partition in range(partitions):
        partition_folder(path, partition).mkdir(mode=0o700, exist_ok=True)
    if identity != known:
        _store(path, identity)
    return identity


def lock_writer(path: Path) -> int:
    """Take the one writer's lock; return the descriptor that holds it until it is closed, by whatever death.

    Raises:
        ConfigurationError: Another process writes.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise ConfigurationError(
            f"the segment log in {path} is being written by another process (pid {holder or 'unknown'}); "
            "stop it, or set another HEADCOUNT_DATA_DIR"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _store(path: Path, identity: Identity) -> None:
    fresh = path / f"{_META}.new"
    with fresh.open("w") as file:
        json.dump({"format": _FORMAT, "uid": identity.uid, "partitions": identity.partitions}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path / _META)
    sync_folder(path)
