"""The local log, held to the contract of segment logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.locallog import LocalLog, LogLimits
from tests.clocks import SteppedClock
from tests.contract.segment_log import MAX_RECORD_BYTES, PARTITIONS, SegmentLogContract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ports import SegmentLog

LIMITS = LogLimits(partitions=PARTITIONS, retention_s=3600, max_bytes=2**30, max_record_bytes=MAX_RECORD_BYTES)


class LocalPlace:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: LocalLog | None = None

    def writer(self) -> SegmentLog:
        self.close()
        self._writer = LocalLog(self._path, clock=SteppedClock(), limits=LIMITS)
        return self._writer

    def reader(self) -> SegmentLog:
        return LocalLog(self._path, clock=SteppedClock())

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class TestLocalLog(SegmentLogContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[LocalPlace]:
        place = LocalPlace(tmp_path / "log")
        yield place
        place.close()
