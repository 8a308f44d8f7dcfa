"""`headcount sql`: psql on the kept rows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from pipeline.adapters.postgres import programs
from services.wiring import open_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.settings import Settings


def shell(settings: Settings, arguments: Sequence[str], notice: Callable[[str], None]) -> int:
    """Run psql until it ends; return its exit code.

    Raises:
        HeadcountError: The database cannot be used.
    """
    with open_place(settings, notice, kept=True) as place:
        psql = shutil.which("psql") or str(programs.bundled() / "bin" / "psql")
        url, environment = without_password(place.database_url)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for psql
        try:
            return subprocess.run([psql, url, *arguments], env={**os.environ, **environment}, check=False).returncode  # noqa: S603 - the user's own shell
        finally:
            signal.signal(signal.SIGINT, before)


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL as others may see it in the list of processes, and the variable that holds its password."""
    parsed = make_url(url)
    in_query = parsed.query.get("password")
    password = in_query if isinstance(in_query, str) else parsed.password
    shown = parsed._replace(password=None).difference_update_query(["password"]).render_as_string()
    return shown, {} if password is None else {"PGPASSWORD": password}
