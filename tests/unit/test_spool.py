"""What waits between a camera's reader and its sender: in memory, on disk, and what is dropped."""

from __future__ import annotations

import errno
import stat
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.spool import Spool
from pipeline.spool_files import CameraFolder, SpoolFile, sweep
from pipeline.types import Camera, Segment, SegmentKind, to_us
from tests.clocks import SteppedClock
from tests.metered import metered
from tests.spools import NO_DISK, spool_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.spool import SpoolLimits

SIZE = 10_000


def camera(name: str = "door") -> Camera:
    return Camera(camera_id=UUID(int=1), name=name, site="default", partition=0)


def record(sequence: int, kind: SegmentKind = SegmentKind.GOP, session: int = 1) -> Segment:
    payload = bytes(SIZE) if kind is SegmentKind.GOP else b""
    start_us = sequence * 2_000_000
    return Segment(
        camera_id=UUID(int=1),
        session=session,
        sequence=sequence,
        kind=kind,
        captured_us=start_us,
        duration_us=2_000_000 if payload else 0,
        payload=payload,
    )


def opened(limits: SpoolLimits, session: int = 1, clock: SteppedClock | None = None, name: str = "door") -> Spool:
    spool = Spool(camera(name), limits, clock or SteppedClock())
    spool.open(session)
    return spool


def filled(limits: SpoolLimits, count: int, name: str = "door") -> Spool:
    """Return a spool of session 1 into which so many records were put."""
    spool = opened(limits, name=name)
    for sequence in range(count):
        spool.put(record(sequence))
    return spool


def sent(spool: Spool) -> list[tuple[int, int, SegmentKind]]:
    """Take all that waits; return session, sequence and kind of each."""
    taken = []
    while (segment := spool.head(0)) is not None:
        taken.append((segment.session, segment.sequence, segment.kind))
        spool.done()
    return taken


def videos(*sequences: int, session: int = 1) -> list[tuple[int, int, SegmentKind]]:
    return [(session, sequence, SegmentKind.GOP) for sequence in sequences]


def end(sequence: int, session: int = 1) -> tuple[int, int, SegmentKind]:
    return (session, sequence, SegmentKind.END)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.segment"))


def dropped(name: str, reason: str) -> float:
    return metered("headcount_spool_dropped_total", camera=name, reason=reason)


def test_where_the_sender_keeps_up_nothing_touches_the_disk(tmp_path: Path) -> None:
    spool = opened(spool_in(tmp_path))
    for sequence in range(3):
        segment = record(sequence)
        spool.put(segment)
        assert spool.head(0) is segment
        assert not files(tmp_path)
        spool.done()


def test_what_waits_lies_on_disk_for_its_owner_only_and_keeps_its_order(tmp_path: Path) -> None:
    spool = filled(spool_in(tmp_path / "spool"), 4)
    written = files(tmp_path / "spool")
    assert len(written) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool", written[0].parent)} == {0o700}
    assert (metered("headcount_spool_records", camera="door"), metered("headcount_spool_bytes", camera="door")) == (
        4,
        sum(path.stat().st_size for path in written),
    )
    assert sent(spool) == videos(0, 1, 2, 3)
    assert not files(tmp_path / "spool")
    assert metered("headcount_spool_bytes", camera="door") == 0


def test_a_record_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    spool = filled(spool_in(tmp_path), 2)
    assert spool.head(0) == record(0)


def test_beyond_the_limit_the_oldest_goes_but_for_the_one_that_is_being_sent(tmp_path: Path) -> None:
    spool = filled(spool_in(tmp_path, max_bytes=4 * SIZE), 1, name="full door")
    assert spool.head(0) == record(0)
    for sequence in range(1, 6):
        spool.put(record(sequence))
    assert sent(spool) == videos(0, 4, 5)
    assert dropped("full door", "full") == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), max_size=40), st.integers(2, 8))
def test_whatever_the_sender_does_order_is_kept_and_the_disk_bounded(puts: Sequence[bool], room: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        spool = opened(spool_in(Path(name), max_bytes=room * SIZE))
        sequence, taken = 0, []
        for put in puts:
            if put:
                spool.put(record(sequence))
                sequence += 1
            else:
                taken += [segment.sequence for segment in [spool.head(0)] if segment]
                spool.done()
            assert sum(path.stat().st_size for path in files(Path(name))) <= (room + 1) * SIZE
        taken += [number for _, number, _ in sent(spool)]
        spool.close()
    assert taken == sorted(set(taken))
    assert not sequence or taken[-1] == sequence - 1


def test_what_is_older_than_the_retention_is_deleted_also_what_is_being_sent(tmp_path: Path) -> None:
    clock = SteppedClock()
    spool = opened(spool_in(tmp_path, max_age_s=60), clock=clock, name="old door")
    spool.put(record(0))
    assert spool.head(0) == record(0)
    clock.step(40)
    spool.put(record(1))
    clock.step(30)
    assert not spool.wanted()
    assert [path.name.split("-")[1] for path in files(tmp_path)] == [f"{1:019d}"]
    assert sent(spool) == videos(1)
    assert dropped("old door", "expired") == 1


def test_a_gap_that_a_later_record_makes_needless_is_forgotten(tmp_path: Path) -> None:
    spool = opened(spool_in(tmp_path), name="quiet door")
    for segment in (record(0), record(1, SegmentKind.GAP), record(2, SegmentKind.GAP), record(3)):
        spool.put(segment)
    assert sent(spool) == videos(0, 3)
    spool.put(record(4, SegmentKind.GAP))
    assert sent(spool) == [(1, 4, SegmentKind.GAP)]


def test_a_gap_that_is_being_sent_is_not_forgotten(tmp_path: Path) -> None:
    spool = opened(spool_in(tmp_path))
    spool.put(record(0, SegmentKind.GAP))
    spool.head(0)
    spool.put(record(1))
    assert spool.wanted()
    assert sent(spool) == [(1, 0, SegmentKind.GAP), *videos(1)]


def test_the_next_start_finds_what_was_left_with_an_end_behind_it(tmp_path: Path) -> None:
    assert filled(spool_in(tmp_path), 3).close() == 3
    spool = opened(spool_in(tmp_path), session=2)
    spool.put(record(0, session=2))
    assert sent(spool) == [*videos(0, 1, 2), end(3), *videos(0, session=2)]


def test_a_record_in_memory_is_left_on_disk_too(tmp_path: Path) -> None:
    filled(spool_in(tmp_path), 1).close()
    assert sent(opened(spool_in(tmp_path), session=2)) == [*videos(0), end(1)]


def test_several_starts_that_sent_nothing_lose_nothing_and_end_each_session_once(tmp_path: Path) -> None:
    filled(spool_in(tmp_path), 2).close()
    second = opened(spool_in(tmp_path), session=2)
    second.put(record(0, session=2))
    second.close()
    opened(spool_in(tmp_path), session=3).close()
    assert sent(opened(spool_in(tmp_path), session=4)) == [*videos(0, 1), end(2), *videos(0, session=2), end(1, session=2)]


def test_an_end_stands_where_the_last_picture_ended(tmp_path: Path) -> None:
    filled(spool_in(tmp_path), 1).close()
    spool = opened(spool_in(tmp_path), session=2)
    spool.head(0)
    spool.done()
    last = spool.head(0)
    assert last is not None
    assert last.captured_us == record(0).end_us


def test_what_was_left_is_dropped_where_another_process_fed_the_camera_meanwhile(tmp_path: Path) -> None:
    filled(spool_in(tmp_path), 3, name="handed door").close()
    assert not sent(opened(spool_in(tmp_path), session=3, name="handed door"))
    assert dropped("handed door", "superseded") == 3
    assert not files(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + b"x", lambda _: b""])
def test_a_damaged_file_is_dropped_and_counted(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    filled(spool_in(tmp_path), 3, name="torn door").close()
    before = dropped("torn door", "damaged")
    for path in files(tmp_path)[1:]:
        path.write_bytes(damage(path.read_bytes()))
    assert sent(opened(spool_in(tmp_path), session=2, name="torn door")) == [*videos(0), end(1)]
    assert dropped("torn door", "damaged") == before + 2


def test_a_file_that_was_being_written_is_deleted(tmp_path: Path) -> None:
    filled(spool_in(tmp_path), 1).close()
    (written,) = files(tmp_path)
    half = written.with_suffix(".new")
    half.write_bytes(b"half")
    opened(spool_in(tmp_path), session=2)
    assert not half.exists()


def test_without_a_disk_one_record_waits_beside_the_one_that_is_being_sent() -> None:
    spool = filled(NO_DISK, 1, name="diskless door")
    spool.head(0)
    for sequence in range(1, 5):
        spool.put(record(sequence))
    assert sent(spool) == videos(0, 4)
    assert dropped("diskless door", "disk") == 3


def test_a_folder_that_another_process_uses_is_left_alone(tmp_path: Path) -> None:
    first = filled(spool_in(tmp_path), 3)
    second = opened(spool_in(tmp_path), session=2)
    for sequence in range(3):
        second.put(record(sequence, session=2))
    assert sent(second) == videos(2, session=2)
    assert sent(first) == videos(0, 1, 2)


def test_a_folder_that_becomes_free_is_used_but_what_lies_in_it_is_left_to_the_next_start(tmp_path: Path) -> None:
    first, second = opened(spool_in(tmp_path)), opened(spool_in(tmp_path), session=2)
    first.put(record(0))
    first.close()
    for sequence in range(3):
        second.put(record(sequence, session=2))
    assert len(files(tmp_path)) == 1
    assert sweep(tmp_path, 2**62) == 1
    for sequence in range(3, 6):
        second.put(record(sequence, session=2))
    assert len(files(tmp_path)) == 4
    assert sent(second) == videos(2, 3, 4, 5, session=2)


class WaitingClock(SteppedClock):
    """A clock on which a folder becomes free while it is waited for."""

    def __init__(self, holder: Spool) -> None:
        super().__init__()
        self._holder = holder

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._holder.close()


def test_a_folder_that_is_only_swept_is_waited_for(tmp_path: Path) -> None:
    holder = filled(spool_in(tmp_path), 2)
    assert sent(opened(spool_in(tmp_path), session=2, clock=WaitingClock(holder))) == [*videos(0, 1), end(2)]


class FullFolder(CameraFolder):
    """A folder on a disk that holds two records."""

    def write(self, segment: Segment, spooled_ms: int) -> SpoolFile:
        if len(self.files()) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(segment, spooled_ms)


def test_on_a_full_disk_the_oldest_makes_room(tmp_path: Path) -> None:
    spool = Spool(camera("crowded door"), spool_in(tmp_path), SteppedClock(), FullFolder)
    spool.open(1)
    for sequence in range(5):
        spool.put(record(sequence))
    assert sent(spool) == videos(3, 4)
    assert dropped("crowded door", "disk") == 3


def test_what_nobody_feeds_any_more_is_swept_and_what_is_held_is_not(tmp_path: Path) -> None:
    limits, now = spool_in(tmp_path), SteppedClock().now()
    filled(limits, 2).close()
    assert sweep(tmp_path, to_us(now - timedelta(minutes=1)) // 1000) == 0
    later_ms = to_us(now + timedelta(minutes=1)) // 1000
    held = opened(limits, session=2)
    assert sweep(tmp_path, later_ms) == 0
    held.close()
    assert sweep(tmp_path, later_ms) == 3  # with the END of the session
    assert not files(tmp_path)


def test_sweeping_needs_no_spool(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none", 2**62) == 0
