"""A broker and a Triton for the benchmarks, from the programs that the tests have fetched."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import psutil

from services.stack.programs import Programs
from tests.e2e.servers import Servers
from tests.servers.fixtures import PROGRAMS_VARIABLE
from tests.servers.kafka import KafkaServers
from tests.servers.process import Reaper
from tests.servers.triton import TritonServers

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_servers() -> Iterator[Servers]:
    """Yield servers of the benchmark's own."""
    programs = Programs(Path(os.environ.get(PROGRAMS_VARIABLE) or platformdirs.user_cache_path("headcount-tests")), notice=print)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headcount-bench-")))
        reaper = Reaper()
        stack.callback(reaper.close)
        kafka = stack.enter_context(KafkaServers(programs.kafka_jars(), folder, reaper)())
        triton = stack.enter_context(TritonServers(programs.triton_environment(), folder, reaper)())
        yield Servers(kafka=kafka, triton=triton)


def pids_of(servers: Servers) -> list[int]:
    """Return the servers' processes."""
    roots = [psutil.Process(server.pid) for server in (*servers.kafka.nodes, servers.triton.process)]
    return [process.pid for root in roots for process in (root, *root.children(recursive=True))]
