"""The embedded PostgreSQL as a part: the adapter starts it and brings it back; here it is only told when."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        self._pid_file = data_dir / "postgres" / "postmaster.pid"
        self._in_use = False

    def prepare(self, say: Say) -> None:
        """Start the server, or join it where it runs."""
        say("starting")
        self._server.start()

    def start(self) -> None:
        """Count it as running (see `Runner`)."""
        self._in_use = True

    def identity(self) -> Identity | None:
        """Return the server's first process (see `Runner`)."""
        try:
            found = process(int(self._pid_file.read_text(encoding="ascii").split("\n", 1)[0]))
        except (OSError, ValueError):
            return None
        return found.identity if found is not None and self._in_use else None

    def poll(self) -> Exit | None:
        """Return None while it is used (see `Runner`): where it dies, the adapter brings it back."""
        return None if self._in_use else Exit(code=0)

    def terminate(self) -> None:
        """Let go of it (see `Runner`)."""
        self._server.stop()
        self._in_use = False

    def kill(self) -> None:
        """Let go of it (see `Runner`): a database is not ended otherwise than in good order."""
        self.terminate()
