"""The local log's own promises: damage, torn tails, retention, the writer's lock, the disk that is full."""

from __future__ import annotations

import os
import resource
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.errors import ConfigurationError, InvalidRecordError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.types import Record
from tests.clocks import SteppedClock
from tests.contract.segment_log import numbered, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = LogLimits(partitions=1, retention_s=400, max_bytes=2**30, max_record_bytes=2**20)
SMALL_FILES = replace(LIMITS, max_bytes=2**18)  # files are rolled at 64 KiB


def write(path: Path, records: int, *, size: int = 20) -> None:
    with LocalLog(path, clock=SteppedClock(), limits=LIMITS) as log:
        for number in range(records):
            log.append(0, numbered(number, size=size))


def data_files(path: Path, partition: int = 0) -> list[Path]:
    return sorted((path / f"partition-{partition:04d}").iterdir())


def read_numbers(path: Path, offset: int = 0) -> list[str]:
    with LocalLog(path, clock=SteppedClock()) as log:
        return [dict(stored.record.headers)["number"].decode() for stored in read_all(log, 0, offset)]


def test_a_tail_torn_at_any_byte_is_cut_by_the_writer_and_only_by_it(tmp_path: Path) -> None:
    write(tmp_path, 3)
    (file,) = data_files(tmp_path)
    whole = file.read_bytes()
    frame_bytes = len(whole) // 3
    for length in range(2 * frame_bytes + 1, 3 * frame_bytes):
        file.write_bytes(whole[:length])
        assert read_numbers(tmp_path) == ["0", "1"]
        assert file.stat().st_size == length
        with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
            assert log.append(0, numbered(7)) == 2
        assert read_numbers(tmp_path) == ["0", "1", "7"]
        assert data_files(tmp_path) == [file]


def test_a_damaged_last_record_was_never_acknowledged_and_is_cut(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (file,) = data_files(tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with LocalLog(tmp_path, clock=SteppedClock()) as reader:
        assert [stored.offset for stored in read_all(reader, 0)] == [0]
        assert reader.offsets(0).stop == 1
        with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
            offsets = [log.append(0, numbered(number, size=5)) for number in (7, 8, 9)]  # shorter: the frames lie elsewhere now
        assert [reader.read(0, offset, max_bytes=1, timeout_s=0)[0].offset for offset in offsets] == [1, 2, 3]


def test_no_record_gets_an_offset_that_was_committed_before_a_power_failure(tmp_path: Path) -> None:
    write(tmp_path, 3)
    (file,) = data_files(tmp_path)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 3 * 2)
    committed = 3
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
        assert log.offsets(0).stop == 2
        log.advance(0, committed)
        assert list(log.read(0, committed, max_bytes=1, timeout_s=0)) == []
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
        log.advance(0, committed - 1)
        assert log.append(0, numbered(7)) == committed
        assert [stored.record for stored in read_all(log, 0, committed)] == [numbered(7)]
        assert [stored.offset for stored in read_all(log, 0)] == [0, 1, 3]


def test_advancing_an_empty_partition_leaves_nothing_before_the_offset(tmp_path: Path) -> None:
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
        log.advance(0, 5)
        assert log.offsets(0).start == log.offsets(0).stop == log.append(0, numbered(0)) == 5


def test_advancing_is_the_writers(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with LocalLog(tmp_path, clock=SteppedClock()) as log, pytest.raises(ConfigurationError, match="opened for reading"):
        log.advance(0, 5)


def test_a_log_whose_only_record_was_torn_is_empty_again(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (file,) = data_files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
        assert log.offsets(0).start == log.offsets(0).stop == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_hides_at_most_the_records_that_hold_it(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip")
    write(path, 6)
    (file,) = data_files(path)
    content = bytearray(file.read_bytes())
    frame_bytes = len(content) // 6
    flips = data.draw(st.lists(st.integers(0, len(content) * 8 - 1), min_size=1, max_size=4, unique=True))
    for bit in flips:
        content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    hit = {bit // 8 // frame_bytes for bit in flips}
    with LocalLog(path, clock=SteppedClock()) as log:
        stored = {entry.offset: entry.record for entry in read_all(log, 0)}
    assert all(stored[number] == numbered(number) for number in set(range(6)) - hit)
    assert all(stored[number] != numbered(number) for number in hit & set(stored))
    body_only = {number for number in hit if all(bit // 8 % frame_bytes >= 36 for bit in flips if bit // 8 // frame_bytes == number)}
    assert body_only - {5} <= set(stored)  # nothing vanishes unseen; a damaged last one is a torn tail


@settings(max_examples=60, deadline=None)
@given(garbage=st.binary(max_size=400), cut=st.integers(0, 300))
def test_garbage_in_a_data_file_raises_nothing(tmp_path_factory: pytest.TempPathFactory, garbage: bytes, cut: int) -> None:
    path = tmp_path_factory.mktemp("garbage")
    write(path, 2)
    (file,) = data_files(path)
    file.write_bytes(file.read_bytes()[:cut] + garbage)
    with LocalLog(path, clock=SteppedClock()) as reader:
        read_all(reader, 0)  # a body may come back as damaged as it is
    with LocalLog(path, clock=SteppedClock(), limits=LIMITS) as log:
        offset = log.append(0, numbered(9))
        assert read_all(log, 0, offset)[0].record == numbered(9)


def test_a_record_that_contains_another_logs_frame_is_not_taken_for_one(tmp_path: Path) -> None:
    write(tmp_path / "other", 5)
    frames = data_files(tmp_path / "other")[0].read_bytes()
    with LocalLog(tmp_path / "log", clock=SteppedClock(), limits=LIMITS) as log:
        log.append(0, Record(headers=(), value=frames))
        log.append(0, numbered(1))
    file = data_files(tmp_path / "log")[0]
    file.write_bytes(b"\0" + file.read_bytes()[1:])
    assert read_numbers(tmp_path / "log") == ["1"]


def test_files_roll_and_a_reader_walks_over_them(tmp_path: Path) -> None:
    with LocalLog(tmp_path, clock=SteppedClock(), limits=SMALL_FILES) as log:
        sent = [numbered(number, size=9000) for number in range(20)]
        for record in sent:
            log.append(0, record)
        assert len(data_files(tmp_path)) > 2
        assert [stored.record for stored in read_all(log, 0)] == sent


def test_retention_by_size_deletes_the_oldest_of_all_partitions_first(tmp_path: Path) -> None:
    clock = SteppedClock()
    with LocalLog(tmp_path, clock=clock, limits=replace(SMALL_FILES, partitions=2)) as log:
        for number in range(60):
            clock.step(0.1)
            log.append(number // 30, numbered(number, size=9000))
        assert sum(file.stat().st_size for partition in (0, 1) for file in data_files(tmp_path, partition)) <= 2**18 + 2**16
        assert log.offsets(0).start > log.offsets(1).start
        with pytest.raises(OffsetOutOfRangeError) as raised:
            log.read(0, 0, max_bytes=1, timeout_s=0)
        assert raised.value.earliest == log.offsets(0).start
        assert read_all(log, 0, log.offsets(0).start)[0].offset == log.offsets(0).start


def test_retention_by_age_reaches_a_quiet_partition_and_keeps_its_offset(tmp_path: Path) -> None:
    clock = SteppedClock()
    with LocalLog(tmp_path, clock=clock, limits=LIMITS) as log:
        log.append(0, numbered(0))
        clock.step(LIMITS.retention_s / 2)
        log.append(0, numbered(1))
        clock.step(LIMITS.retention_s * 0.75)
        log.expire()
        assert [stored.offset for stored in read_all(log, 0, 1)] == [1]
        assert log.offsets(0).start == 1
        clock.step(LIMITS.retention_s)
        log.expire()
        assert log.offsets(0).start == log.offsets(0).stop == 2
        assert sum(file.stat().st_size for file in data_files(tmp_path)) == 0
    with LocalLog(tmp_path, clock=clock, limits=LIMITS) as log:
        assert log.append(0, numbered(2)) == 2


def test_appending_expires_other_partitions_now_and_then(tmp_path: Path) -> None:
    clock = SteppedClock()
    with LocalLog(tmp_path, clock=clock, limits=replace(LIMITS, partitions=2)) as log:
        log.append(0, numbered(0))
        clock.step(2 * LIMITS.retention_s)
        log.append(1, numbered(1))
        assert log.offsets(0).start == 1


def test_a_reopened_writer_expires_what_an_earlier_one_left(tmp_path: Path) -> None:
    write(tmp_path, 3)
    clock = SteppedClock()
    clock.step(2 * LIMITS.retention_s)
    with LocalLog(tmp_path, clock=clock, limits=LIMITS) as log:
        log.expire()
        assert log.offsets(0).start == log.offsets(0).stop == 3


def test_a_second_writer_is_refused_by_name_and_admitted_afterwards(tmp_path: Path) -> None:
    with (
        LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS),
        pytest.raises(ConfigurationError, match=rf"being written by another process \(pid {os.getpid()}\)"),
    ):
        LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS)
    write(tmp_path, 1)
    assert read_numbers(tmp_path) == ["0"]


def test_partitions_may_be_added_and_are_seen_by_readers_but_not_removed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    reader = LocalLog(tmp_path, clock=SteppedClock())
    with LocalLog(tmp_path, clock=SteppedClock(), limits=replace(LIMITS, partitions=3)) as log:
        log.append(2, numbered(0))
        assert reader.offsets(2).stop == 1
        assert reader.uid() == log.uid()
        with pytest.raises(ConfigurationError, match="partitions 0 to 2, not 3"):
            reader.offsets(3)
    with pytest.raises(ConfigurationError, match="HEADCOUNT_PARTITIONS to 3 or more"):
        LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS)
    assert reader.partitions == 3


def test_a_reader_of_no_log_is_asked_to_wait_and_may_not_write(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailableError, match="no segment log"):
        LocalLog(tmp_path, clock=SteppedClock())
    write(tmp_path, 1)
    with LocalLog(tmp_path, clock=SteppedClock()) as log, pytest.raises(ConfigurationError, match="opened for reading"):
        log.append(0, numbered(0))


@pytest.mark.parametrize(
    ("meta", "message"), [("{", "damaged"), ("[]", "damaged"), ('{"format": 9, "uid": "x", "partitions": 1}', "format 9")]
)
def test_a_meta_file_that_cannot_be_used_is_explained(tmp_path: Path, meta: str, message: str) -> None:
    (tmp_path / "log.json").write_text(meta)
    for limits in (None, LIMITS):
        with pytest.raises(ConfigurationError, match=message):
            LocalLog(tmp_path, clock=SteppedClock(), limits=limits)


def test_only_the_owner_can_look_into_the_log(tmp_path: Path) -> None:
    write(tmp_path / "log", 1)
    modes = [path.stat().st_mode for path in (tmp_path / "log", *data_files(tmp_path / "log"))]
    assert not any(mode & (stat.S_IRWXG | stat.S_IRWXO) for mode in modes)


def test_headers_count_towards_the_record_limit(tmp_path: Path) -> None:
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log, pytest.raises(InvalidRecordError):
        log.append(0, Record(headers=(("h", bytes(LIMITS.max_record_bytes)),), value=b""))


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Let this process's files grow to so many bytes only: the kernel's answer to a write is the short one of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_half_and_the_log_goes_on(tmp_path: Path, small_disk: int) -> None:
    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as log:
        log.append(0, numbered(0, size=60_000))
        before = data_files(tmp_path)[0].stat().st_size
        with pytest.raises(LogUnavailableError, match="free space"):
            log.append(0, numbered(1, size=60_000))
        assert data_files(tmp_path)[0].stat().st_size == before < small_disk
        retried = log.append(0, numbered(1, size=60_000))
        assert [stored.record for stored in read_all(log, 0)] == [numbered(0, size=60_000), numbered(1, size=60_000)]
        assert retried == log.offsets(0).stop - 1


def test_a_reader_waits_for_what_comes(tmp_path: Path) -> None:
    class AppendsWhenSleptOn(SteppedClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.monotonic() >= 1 and writer.offsets(0).stop == 0:
                writer.append(0, numbered(5))

    with LocalLog(tmp_path, clock=SteppedClock(), limits=LIMITS) as writer:
        clock = AppendsWhenSleptOn()
        reader = LocalLog(tmp_path, clock=clock)
        (stored,) = reader.read(0, 0, max_bytes=1, timeout_s=30)
        assert stored.record == numbered(5)
        assert clock.monotonic() < 1.1


def test_sequential_reads_cost_what_they_read(tmp_path: Path) -> None:
    with LocalLog(tmp_path, clock=SteppedClock(), limits=replace(LIMITS, fsync=False)) as log:
        for number in range(2000):
            log.append(0, numbered(number, size=2000))
        before = _read_calls()
        for number in range(2000):
            assert log.read(0, number, max_bytes=1, timeout_s=0)[0].offset == number
        assert _read_calls() - before < 2000 * 6


def _read_calls() -> int:
    with open("/proc/self/io", encoding="ascii") as file:  # noqa: PTH123 - a short read of the kernel's own counters
        return int(next(line for line in file if line.startswith("syscr")).split()[1])
