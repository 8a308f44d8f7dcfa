"""The slot of an ingest: its logical place, which one process of a machine has at a time, and who leases cameras in it."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def lease_holder(log_uid: str, slot: str | None) -> UUID | None:
    """Return who leases cameras: the one writer of an embedded log, a slot where many may write, or None for one of its own.

    Args:
        log_uid: Of the log.
        slot: That the user gave.
    """
    if log_uid.startswith("local:"):
        return uuid5(NAMESPACE_URL, log_uid)  # its lock excludes a second writer
    return None if slot is None else uuid5(NAMESPACE_URL, f"headcount:ingest/{slot}")


@contextmanager
def held_slot(data_dir: Path, slot: str | None) -> Iterator[None]:
    """Hold a slot while the block runs, or until the process dies; None holds nothing.

    Raises:
        ConfigurationError: Another process of this machine holds it, or it is no name.
    """
    if slot is None:
        yield
        return
    if _NAME.fullmatch(slot) is None:
        raise ConfigurationError(f"--slot {slot!r}: expected up to 64 letters, digits, dots, dashes or underscores")
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / f"ingest-{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, slot)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, slot: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        raise ConfigurationError(
            f"--slot {slot}: another ingest on this machine has it (pid {holder or 'unknown'}); stop that one, or give this one another"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
