"""The local log between real processes: writers that are killed, readers that look on."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from pipeline.adapters.locallog import LocalLog
from pipeline.errors import ConfigurationError
from tests.clocks import RealClock
from tests.contract.segment_log import numbered, read_all
from tests.integration.locallog_process import LIMITS, RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 8


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.integration.locallog_process", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


def lines(stream: IO[bytes] | None, count: int) -> list[int]:
    assert stream is not None
    return [int(stream.readline()) for _ in range(count)]


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)  # repeatable up to the moment of the kill
    acknowledged: list[int] = []
    for _ in range(ROUNDS):
        with process("write", str(tmp_path), "100000") as writer:
            acknowledged += lines(writer.stdout, chance.randint(1, 6))
            writer.kill()
            assert writer.stdout is not None
            acknowledged += [int(line) for line in writer.stdout if line.endswith(b"\n")]
        with LocalLog(tmp_path, clock=RealClock(), limits=LIMITS) as log:
            stored = read_all(log, 0, log.offsets(0).start)
        offsets = [entry.offset for entry in stored]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))  # no hole: it would count as lost video
        kept = [offset for offset in acknowledged if offset >= offsets[0]]
        assert offsets[: len(kept)] == kept
        assert len(offsets) - len(kept) <= 1
        assert all(entry.record == numbered(entry.offset, size=RECORD_BYTES) for entry in stored)
        acknowledged = [*acknowledged[: len(acknowledged) - len(kept)], *offsets]


def test_two_readers_in_other_processes_see_the_same_and_the_writers_lock_holds(tmp_path: Path) -> None:
    with process("write", str(tmp_path), "20") as writer:
        lines(writer.stdout, 1)
        with process("read", str(tmp_path), "20") as first, process("read", str(tmp_path), "20") as second:
            assert lines(first.stdout, 20) == lines(second.stdout, 20) == list(range(20))
        with pytest.raises(ConfigurationError, match=f"pid {writer.pid}"):
            LocalLog(tmp_path, clock=RealClock(), limits=LIMITS)
