from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backlog import Backlog
from pipeline.errors import FencedError, SourceError
from pipeline.ingest import Ingest
from pipeline.types import Decode, Segment, SegmentKind
from tests.clocks import SteppedClock
from tests.fakes import ListSource, MemoryLog, MemoryRegistry
from tests.spools import NO_DISK, spool_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ports import Lease, SourcePosition
    from pipeline.spool import SpoolLimits
    from pipeline.types import Camera

VIDEO_BYTES = 100


def video(count: int) -> list[Segment]:
    """Return so many segments and an END."""
    segments = [
        Segment(camera_id=UUID(int=1), session=1, sequence=n, kind=SegmentKind.GOP, captured_us=n * 10**6, payload=bytes(VIDEO_BYTES))
        for n in range(count)
    ]
    return [*segments, Segment(camera_id=UUID(int=1), session=1, sequence=count, kind=SegmentKind.END, captured_us=count * 10**6)]


@dataclass
class Bench:
    """An ingest between fakes."""

    log: MemoryLog = field(default_factory=MemoryLog)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    stop: threading.Event = field(default_factory=threading.Event)
    seen: list[Segment] = field(default_factory=list)
    room: int = 10**6
    stop_after: int | None = None
    spool: SpoolLimits = NO_DISK
    most_unread: int = 0  # bytes that were in the log and not yet committed, where all goes into partition 0

    def ingest(self) -> Ingest:
        return Ingest(
            log=self.log,
            registry=self.registry,
            clock=CommittingClock(self),
            stop=self.stop,
            backlog=Backlog(self.room),
            spool=self.spool,
            progress=self._progress,
        )

    def _progress(self, segment: Segment) -> None:
        self.seen.append(segment)
        unread = self.seen[self.registry.committed_offsets[0] :]
        self.most_unread = max(self.most_unread, sum(len(segment.payload) for segment in unread))
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            self.stop.set()


@dataclass
class RenewedRegistry(MemoryRegistry):
    """Counts the leases that it gave."""

    leases: int = 0

    def lease(self, camera: Camera, session: int | None) -> Lease:
        self.leases += 1
        return super().lease(camera, session)


@dataclass
class BreakingSource(ListSource):
    """Its segments, and then an error in the place of what follows."""

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        yield from super().segments(position)
        raise SourceError("unreadable", "the camera is gone")


class CommittingClock(SteppedClock):
    """While it is slept on, a worker commits one record."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self.sleeps = 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.sleeps += 1
        self._bench.registry.committed_offsets[0] += 1


def sequences(bench: Bench) -> list[int]:
    return [segment.sequence for segment in bench.log.segments(0)]


def test_a_file_is_carried_in_order_up_to_its_end() -> None:
    bench = Bench()
    camera = bench.registry.register("door", "door.mp4")
    outcome = bench.ingest().run(ListSource(video(5)), camera)
    assert (outcome.segments, outcome.bytes, outcome.finished) == (5, 5 * VIDEO_BYTES, True)
    assert sequences(bench) == [0, 1, 2, 3, 4, 5]
    assert {(segment.camera_id, segment.session) for segment in bench.log.segments(0)} == {(camera.camera_id, 7)}
    assert [lease.camera for lease in bench.registry.released] == [camera]


def test_each_record_says_how_much_of_the_cameras_video_is_decoded() -> None:
    bench = Bench()
    bench.ingest().run(ListSource(video(2)), bench.registry.register("door", "door.mp4", Decode.GATED))
    assert {segment.decode for segment in bench.log.segments(0)} == {Decode.GATED}


def test_a_finished_file_is_not_carried_again() -> None:
    bench = Bench()
    camera = bench.registry.register("door", "door.mp4")
    bench.ingest().run(ListSource(video(2)), camera)
    outcome = bench.ingest().run(ListSource(video(2)), camera)
    assert (outcome.segments, outcome.finished, len(sequences(bench))) == (0, True, 3)


def test_a_stopped_file_goes_on_after_the_last_acknowledged_sequence() -> None:
    bench = Bench(stop_after=2)
    camera = bench.registry.register("door", "door.mp4")
    assert not bench.ingest().run(ListSource(video(5)), camera).finished
    assert sequences(bench) == [0, 1]
    bench.stop.clear()
    bench.stop_after = None
    assert bench.ingest().run(ListSource(video(5)), camera).finished
    assert sequences(bench) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("lands_anyway", [False, True])
def test_a_failed_append_is_sent_again_and_repeats_stand_together(lands_anyway: bool) -> None:  # noqa: FBT001 - a parameter
    bench = Bench(log=MemoryLog(failures=3, lands_anyway=lands_anyway))
    bench.ingest().run(ListSource(video(2)), bench.registry.register("door", "door.mp4"))
    assert sequences(bench) == ([0, 0, 0, 0, 1, 2] if lands_anyway else [0, 1, 2])


def test_a_file_s_camera_is_kept_while_the_log_is_away() -> None:
    registry = RenewedRegistry()
    bench = Bench(registry=registry)
    camera = bench.registry.register("door", "door.mp4")
    bench.log.failures = 10
    bench.ingest().run(ListSource(video(2)), camera)
    assert sequences(bench) == [0, 1, 2]
    assert registry.leases > 3


def test_a_database_that_is_away_for_a_while_loses_nothing() -> None:
    bench = Bench(registry=MemoryRegistry(failures=4))
    bench.ingest().run(ListSource(video(2)), bench.registry.register("door", "door.mp4"))
    assert sequences(bench) == [0, 1, 2]


def test_a_file_waits_while_too_much_is_unanalysed() -> None:
    bench = Bench(registry=MemoryRegistry(keeps_up=False), room=2 * VIDEO_BYTES)
    ingest = bench.ingest()
    ingest.run(ListSource(video(10)), bench.registry.register("door", "door.mp4"))
    assert sequences(bench) == list(range(11))
    assert ingest.clock.sleeps == 8  # type: ignore[attr-defined]  # the bench's clock counts


@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=20), room=st.integers(0, 5 * VIDEO_BYTES))
def test_files_of_one_partition_wait_for_each_other(sizes: list[int], room: int) -> None:
    bench = Bench(registry=MemoryRegistry(keeps_up=False), room=room)
    ingest = bench.ingest()
    for number, size in enumerate(sizes):
        camera = replace(bench.registry.register(f"file {number}", "a file"), partition=0)
        assert ingest.run(ListSource(video(size)), camera).finished
    assert bench.most_unread <= room + VIDEO_BYTES


def test_files_of_other_partitions_do_not_wait_for_it() -> None:
    bench = Bench(registry=MemoryRegistry(keeps_up=False), room=2 * VIDEO_BYTES)
    ingest = bench.ingest()
    for number in range(4):
        ingest.run(ListSource(video(2)), bench.registry.register(f"file {number}", "a file"))
    assert ingest.clock.sleeps == 0  # type: ignore[attr-defined]  # the bench's clock counts


def test_a_live_camera_waits_for_nobody_and_no_file_for_it(tmp_path: Path) -> None:
    bench = Bench(registry=MemoryRegistry(keeps_up=False), room=VIDEO_BYTES, spool=spool_in(tmp_path))
    ingest, camera = bench.ingest(), bench.registry.register("door", "rtsp://door")
    ingest.run(ListSource(video(10), session=None, can_wait=False), camera)
    ingest.run(ListSource(video(1)), camera)
    assert ingest.clock.sleeps == 0  # type: ignore[attr-defined]  # the bench's clock counts


def test_what_the_log_refused_takes_no_room() -> None:
    large = [replace(segment, payload=bytes(5000)) if segment.payload else segment for segment in video(3)]
    bench = Bench(log=MemoryLog(max_bytes=1000), registry=MemoryRegistry(keeps_up=False), room=100)
    ingest = bench.ingest()
    assert ingest.run(ListSource(large), bench.registry.register("door", "door.mp4")).refused == 3
    assert ingest.clock.sleeps == 0  # type: ignore[attr-defined]  # the bench's clock counts


def test_stopping_ends_the_wait_for_room() -> None:
    bench = Bench(registry=MemoryRegistry(keeps_up=False), room=0, stop_after=1)
    outcome = bench.ingest().run(ListSource(video(10)), bench.registry.register("door", "door.mp4"))
    assert (outcome.segments, outcome.finished) == (1, False)


def test_stopping_ends_the_wait_for_a_log_that_is_away(tmp_path: Path) -> None:
    bench = Bench(log=MemoryLog(failures=10**9), spool=spool_in(tmp_path))
    bench.stop.set()
    outcome = bench.ingest().run(ListSource(video(1), session=None), bench.registry.register("door", "rtsp://door"))
    assert (outcome.segments, outcome.spooled) == (0, 2)
    assert bench.registry.released


def test_a_live_source_is_carried_to_its_end_after_the_stop(tmp_path: Path) -> None:
    bench = Bench(stop_after=1, spool=spool_in(tmp_path))
    outcome = bench.ingest().run(ListSource(video(3), session=None, can_wait=False), bench.registry.register("door", "rtsp://door"))
    assert outcome.finished
    assert {segment.session for segment in bench.log.segments(0)} == {1}


def test_a_segment_that_the_log_refuses_is_counted_and_the_rest_goes_on() -> None:
    large = video(3)
    large[1] = Segment(camera_id=UUID(int=1), session=1, sequence=1, kind=SegmentKind.GOP, captured_us=1, payload=bytes(5000))
    bench = Bench(log=MemoryLog(max_bytes=1000))
    outcome = bench.ingest().run(ListSource(large), bench.registry.register("door", "door.mp4"))
    assert (outcome.refused, outcome.segments, outcome.finished) == (1, 2, True)
    assert sequences(bench) == [0, 2, 3]


def test_a_lost_lease_ends_it_at_once_and_is_given_back() -> None:
    bench = Bench(registry=MemoryRegistry(fenced=True))
    outcome = bench.ingest().run(ListSource(video(3)), bench.registry.register("door", "door.mp4"))
    assert isinstance(outcome.failure, FencedError)
    assert (outcome.session, sequences(bench)) == (7, [0])
    assert bench.registry.released


@pytest.mark.parametrize(("session", "kinds"), [(None, ["gop", "gop", "end"]), (7, ["gop", "gop"])])
def test_of_a_source_that_fails_on_the_way_what_was_carried_stands_and_a_camera_s_session_ends(
    session: int | None, kinds: list[str], tmp_path: Path
) -> None:
    bench = Bench(spool=spool_in(tmp_path))
    outcome = bench.ingest().run(BreakingSource(video(2)[:-1], session=session), bench.registry.register("door", "a source"))
    assert isinstance(outcome.failure, SourceError)
    assert (outcome.session, outcome.segments) == (session or 1, 2)
    assert [(segment.sequence, segment.kind) for segment in bench.log.segments(0)] == list(enumerate(kinds))
    assert bench.log.segments(0)[-1].captured_us == 10**6
    assert bench.registry.released


def test_of_a_camera_that_fails_before_its_first_segment_nothing_is_sent() -> None:
    bench = Bench()
    outcome = bench.ingest().run(BreakingSource([], session=None), bench.registry.register("door", "rtsp://door"))
    assert isinstance(outcome.failure, SourceError)
    assert sequences(bench) == []
