"""Recordings that come as slowly as they were made, and a worker beside them; a test may kill any of it."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psutil

from tests.e2e.command import finish
from tests.e2e.rows import ask

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.command import Ended, Program

_OF_CAMERAS = "partition IN (SELECT partition FROM camera)"
_NEWEST_LOG = "log_id = (SELECT max(log_id) FROM log)"
_POLL_S = 0.1
_PATIENCE_S = 120.0
_LAST_LINES = 30


@dataclass(slots=True, kw_only=True)
class Paced:
    """`headcount ingest --pace` and `headcount worker`, from entering on."""

    program: Program
    database_url: str
    sources: tuple[str | Path, ...]  # a camera each
    folder: Path  # for what they write
    live: bool = False  # the sources give their pace themselves
    worker_options: tuple[str, ...] = ()
    ingest: subprocess.Popen[str] = field(init=False)
    worker: subprocess.Popen[str] = field(init=False)
    _stack: ExitStack = field(init=False, default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self.start_worker()
        self.start_ingest()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.ingest, self.worker):
            process.kill()
            process.communicate()
        self._stack.close()

    @property
    def names(self) -> list[str]:
        """Of the cameras."""
        return [f"camera-{number}" for number in range(len(self.sources))]

    def start_ingest(self) -> None:
        """Start it, or start it again in its slot."""
        named = [word for name in self.names for word in ("--name", name)]
        self.ingest = self._start("ingest", *self.sources, *named, *([] if self.live else ["--pace"]), "--slot", "ingest")

    def start_worker(self) -> None:
        """Start it, or start it again in its slot."""
        self.worker = self._start("worker", "--slot", "worker", *self.worker_options)

    def committed(self) -> dict[int, int]:
        """Return how far each partition that has a camera is analysed."""
        return dict(ask(self.database_url, f"SELECT partition, next_offset FROM log_partition WHERE {_OF_CAMERAS} AND {_NEWEST_LOG}"))

    def fed(self) -> dict[int, int]:
        """Return how far each of these partitions is fed, as far as the database knows."""
        return dict(ask(self.database_url, f"SELECT partition, max(last_offset) + 1 FROM session WHERE {_NEWEST_LOG} GROUP BY 1"))

    def lag(self) -> int:
        """Return how many records are not analysed."""
        committed = self.committed()
        return sum(end - committed[partition] for partition, end in self.fed().items())

    def wait_for_commits(self, records: int) -> None:
        """Wait until each camera has so many more records analysed."""
        before = self.committed()

        def moved() -> bool:
            now = self.committed()
            return len(now) == len(self.sources) and all(at >= before.get(partition, 0) + records for partition, at in now.items())

        self.wait_for(moved, f"not every camera has {records} more records analysed")

    def wait_for_the_end(self) -> None:
        """Wait until all is fed and analysed, and end the worker in good order."""
        self.wait_for(lambda: self.ingest.poll() is not None, "ingest does not end")
        assert self.ingest.returncode == 0, self.last_words("ingest")
        self.wait_for(lambda: self.lag() == 0, "not everything is analysed")
        self.end_worker()

    def end_worker(self) -> None:
        """Let it stop as SIGTERM has it stop."""
        self.worker.send_signal(signal.SIGTERM)
        ended: Ended = finish(self.worker)
        assert ended.code == 0, self.last_words("worker")

    def worker_memory(self) -> int:
        """Return the bytes that the worker holds, those that nobody shares."""
        return int(psutil.Process(self.worker.pid).memory_full_info().uss)

    def wait_for(self, condition: Callable[[], bool], complaint: str) -> None:
        """Wait until something holds, while both are well."""
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            said = f"{complaint}\n{self.last_words('ingest')}\n{self.last_words('worker')}"
            assert self.worker.poll() is None, f"the worker has ended with {self.worker.returncode}: {said}"
            assert self.ingest.poll() in {None, 0}, f"ingest has ended with {self.ingest.returncode}: {said}"
            assert time.monotonic() < deadline, said
            time.sleep(_POLL_S)

    def last_words(self, who: str) -> str:
        """Return the end of what a process wrote."""
        return "\n".join([f"{who}:", *(self.folder / who).read_text(errors="replace").splitlines()[-_LAST_LINES:]])

    def _start(self, *words: str | Path) -> subprocess.Popen[str]:
        written = self._stack.enter_context((self.folder / str(words[0])).open("a"))
        return self.program.start(*words, written=written)
