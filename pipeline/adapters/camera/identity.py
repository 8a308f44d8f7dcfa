"""Who a file is (its session) and when it was captured; imports nothing of ours."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_EDGE_BYTES = 64 * 1024


def session_of(paths: Iterable[Path], salt: str = "") -> int:
    """Return the session that the content of files gives: 1..2^63-1, from their sizes and first and last 64 KiB."""
    digest = hashlib.sha256(salt.encode())
    for path in paths:
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "big"))
        with path.open("rb") as file:
            digest.update(file.read(_EDGE_BYTES))
            file.seek(max(0, size - _EDGE_BYTES))
            digest.update(file.read(_EDGE_BYTES))
    return int.from_bytes(digest.digest()[:8], "big") >> 1 or 1


def capture_start(start: datetime | None, metadata: Mapping[str, str], path: Path) -> datetime:
    """Return when a recording began: as the user says, else as its container says, else when its file was last changed."""
    if start is not None:
        return start
    try:
        made = datetime.fromisoformat(metadata.get("creation_time", ""))
    except ValueError:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
