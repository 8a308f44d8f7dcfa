"""The folder of the embedded server's Unix socket, whose path the kernel limits; imports errors only."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.adapters.postgres.account import Account

_SOCKET_NAME = ".s.PGSQL.5432"
_PATH_LIMIT = 107  # bytes of sun_path, without its final zero


def socket_folder(data_dir: Path, account: Account) -> Path:
    """Return a folder that only the server's user can enter: below `data_dir`, or a short one where that path is too long.

    The running server's postmaster.pid remembers which one it was.

    Raises:
        ConfigurationError: Someone else owns the short folder.
    """
    folder = data_dir / "postgres-socket"
    if len(str(folder / _SOCKET_NAME).encode()) > _PATH_LIMIT:
        folder = Path(tempfile.gettempdir()) / f"headcount-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink():
        raise ConfigurationError(f"{folder} is a link that Headcount has not made: remove it")
    try:
        account.own(folder, 0o700)
    except PermissionError:
        raise ConfigurationError(f"{folder} belongs to someone else: remove it, or set TMPDIR to another folder") from None
    return folder
