"""The embedded PostgreSQL as a part: the adapter starts it and brings it back; here it is only told when."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.adapters.postgres.keeper import is_server
from services.stack.part import Exit
from services.stack.processes import process

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.adapters.postgres.embedded import EmbeddedPostgres
    from services.stack.part import Say
    from services.stack.processes import Identity


class EmbeddedRunner:
    """Implements `services.stack.part.Runner`. The server outlives who started it, and is stopped when the last one lets go of it.

    Args:
        server: Is started by `prepare`.
        data_dir: Holds the cluster.
    """

    def __init__(self, server: EmbeddedPostgres, data_dir: Path) -> None:
        self._server = server
        self._turn = threading.Lock()  # it is told to end while it starts
        self._pid_file = data_dir / "postgres" / "postmaster.pid"
        self._in_use = False

    def prepare(self, say: Say) -> None:
        """Start the server, or join it where it runs."""
        say("starting")
        with self._turn:
            self._in_use = True  # from now on: half a start leaves a server, too
            self._server.start()

    def start(self) -> None:
        """Do nothing (see `Runner`): it runs once it is prepared."""

    def identity(self) -> Identity | None:
        """Return the server's first process (see `Runner`)."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        found = process(pid) if self._in_use and is_server(pid) else None
        return found.identity if found is not None else None

    def poll(self) -> Exit | None:
        """Return None while it is used (see `Runner`): where it dies, the adapter brings it back."""
        return None if self._in_use else Exit(code=0)

    def terminate(self) -> None:
        """Let go of it (see `Runner`)."""
        with self._turn:
            self._server.stop()
            self._in_use = False

    def kill(self) -> None:
        """Let go of it (see `Runner`): a database is not ended otherwise than in good order."""
        self.terminate()
