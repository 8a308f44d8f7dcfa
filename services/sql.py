"""`headcount sql`: psql on the kept rows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

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
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    passwords = [unquote(parts.password)] if parts.password is not None else []
    passwords += [value for name, value in options if name == "password"]
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in options if name != "password"], quote_via=quote)
    shown = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query))
    return shown, {"PGPASSWORD": passwords[-1]} if passwords else {}
