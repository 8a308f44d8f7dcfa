"""The local log against the simplest model of a log, a list: any run of appends, torn writes, reopenings and passing time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.errors import LogUnavailableError
from tests.clocks import SteppedClock
from tests.contract.segment_log import numbered, read_all

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = LogLimits(partitions=1, retention_s=400, max_bytes=2**18, max_record_bytes=2**20, fsync=False)  # files of 64 KiB

APPENDS = st.tuples(st.just("append"), st.integers(0, 30_000))
TEARS = st.tuples(st.just("tear"), st.integers(1, 300))
WAITS = st.tuples(st.just("wait"), st.integers(1, 300))
REOPENINGS = st.tuples(st.just("reopen"), st.just(0))


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.one_of(APPENDS, APPENDS, TEARS, WAITS, REOPENINGS), max_size=25))
def test_what_is_kept_is_the_end_of_what_was_acknowledged(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("log")
    clock = SteppedClock()
    log = LocalLog(path, clock=clock, limits=LIMITS)
    reader = LocalLog(path, clock=clock)
    acknowledged: dict[int, int] = {}
    for step, (kind, amount) in enumerate(steps):
        if kind == "append":
            acknowledged[log.append(0, numbered(step, size=amount))] = step
        elif kind == "wait":
            clock.step(amount)
            log.expire()
        else:
            log.close()
            if kind == "tear":
                _tear(path, amount)
            log = LocalLog(path, clock=clock, limits=LIMITS)
        kept = {stored.offset: int(dict(stored.record.headers)["number"]) for stored in read_all(reader, 0, reader.offsets(0).start)}
        assert list(kept.items()) == list(acknowledged.items())[len(acknowledged) - len(kept) :]
        assert reader.offsets(0).stop == log.offsets(0).stop > max(acknowledged, default=-1)
        assert reader.offsets(0).start == next(iter(kept), log.offsets(0).stop)
    log.close()


def _tear(path: Path, amount: int) -> None:
    """Leave the beginning of a frame behind, as a writer does that dies in the middle of a write."""
    with LocalLog(path, clock=SteppedClock(), limits=replace(LIMITS, retention_s=1e9)) as log:
        log.append(0, numbered(0, size=amount))
    file = max((path / "partition-0000").iterdir())
    frame_bytes = 36 + 16 + len("number0kindgop") + amount
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - frame_bytes + amount)


def test_a_partition_that_is_being_made_is_not_there_yet(tmp_path: Path) -> None:
    LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS).close()
    for file in (tmp_path / "partition-0000").iterdir():
        file.unlink()
    with LocalLog(tmp_path, clock=SteppedClock()) as reader, pytest.raises(LogUnavailableError, match="not made this partition yet"):
        reader.read(0, 0, max_bytes=1, timeout_s=0)
