"""The tests' own log, held to the contract of segment logs: a fake that promises less would prove nothing."""

from __future__ import annotations

import pytest

from tests.contract.segment_log import MAX_RECORD_BYTES, SegmentLogContract
from tests.fakes import MemoryLog


class MemoryPlace:
    def __init__(self) -> None:
        self._log = MemoryLog(max_bytes=MAX_RECORD_BYTES)

    def writer(self) -> MemoryLog:
        return self._log

    def reader(self) -> MemoryLog:
        return self._log


class TestMemoryLog(SegmentLogContract):
    @pytest.fixture
    def place(self) -> MemoryPlace:
        return MemoryPlace()
