"""A Triton of the tests."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from pipeline.resources import resource
from services.stack.triton import TritonServer
from tests.servers.process import Reaper, ServerProcess, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Triton:
    """A Triton that runs."""

    server: TritonServer
    process: ServerProcess

    @property
    def url(self) -> str:
        """HOST:PORT of its gRPC."""
        return self.server.url


class TritonServers:
    """Starts servers, each with backends of its own."""

    def __init__(self, environment: Path, folder: Path, reaper: Reaper) -> None:
        self._environment = environment
        self._folder = folder
        self._reaper = reaper

    @contextmanager
    def __call__(self, repository: Path | None = None) -> Iterator[Triton]:
        """Serve a model repository, or the one that comes with Headcount, and end the server with the block."""
        folder = Path(mkdtemp(prefix="triton-", dir=self._folder))
        http, grpc, metrics = free_ports(3)
        server = TritonServer(
            environment_dir=self._environment,
            folder=folder,
            repository=repository or resource("triton_models"),
            model="*",
            http_port=http,
            grpc_port=grpc,
            metrics_port=metrics,
        )
        server.prepare()
        log = folder / "triton.log"
        process = ServerProcess(server.command(), server.environment(), log=log, ready=server.ready, reaper=self._reaper)
        try:
            process.start()
            yield Triton(server=server, process=process)
        finally:
            process.stop()
            server.clear()
