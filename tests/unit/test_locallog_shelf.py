"""The embedded log is its own shelf: what is set aside is there as long as the record is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.adapters.locallog.shelf import LocalShelf
from pipeline.errors import LogUnavailableError
from pipeline.types import Record, StoredRecord
from tests.clocks import SteppedClock

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = LogLimits(partitions=2, retention_s=60, max_bytes=2**20, max_record_bytes=2**12)
RECORD = Record(headers=(("schema", b"?"),), value=b"garbage")


def test_what_is_in_the_log_is_found_and_nothing_else(tmp_path: Path) -> None:
    with LocalLog(tmp_path / "log", clock=SteppedClock(), limits=LIMITS) as log:
        shelf = LocalShelf(log)
        offset = log.append(1, RECORD)
        shelf.keep(StoredRecord(partition=1, offset=offset, record=RECORD), "bad_header")
        assert shelf.find(1, offset) == RECORD
        for partition, elsewhere in ((0, offset), (1, offset + 1), (1, offset + 99), (1, -1), (2, 0), (-1, 0)):
            assert shelf.find(partition, elsewhere) is None


def test_what_retention_took_is_gone(tmp_path: Path) -> None:
    with LocalLog(tmp_path / "log", clock=SteppedClock(), limits=LIMITS) as log:
        offset = log.append(1, RECORD)
        log.clear()
        assert LocalShelf(log).find(1, offset) is None


def test_a_log_that_is_away_is_said(tmp_path: Path) -> None:
    with LocalLog(tmp_path / "log", clock=SteppedClock(), limits=LIMITS) as log:
        log.append(1, RECORD)
    with LocalLog(tmp_path / "log", clock=SteppedClock()) as log:
        for file in (tmp_path / "log").rglob("*.*"):
            file.unlink()
        with pytest.raises(LogUnavailableError):
            LocalShelf(log).find(1, 0)
