"""A live camera on its way into a log that is away for a while."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from pipeline.backlog import Backlog
from pipeline.errors import CameraHeldError, ConfigurationError, FencedError, LogReplacedError, LogUnavailableError, SourceError
from pipeline.ingest import Ingest
from pipeline.types import Segment, SegmentKind
from tests.clocks import FastClock, SteppedClock
from tests.fakes import MemoryLog, MemoryRegistry
from tests.metered import metered
from tests.people import Person, records, segments
from tests.spools import NO_DISK, spool_in
from tests.unit.test_engine import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pipeline.ports import Clock, Lease, SourcePosition
    from pipeline.spool import SpoolLimits
    from pipeline.types import Camera, Record

SIZE = 10_000
TIMES = 100  # as fast as the real clock


@dataclass
class MovedLog(MemoryLog):
    """A log that is away, or was made anew, while it is said so."""

    away: threading.Event = field(default_factory=threading.Event)
    replaced: bool = False
    refuses: bool = False  # this user may not write
    tried: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))  # appends that failed

    def append(self, partition: int, record: Record) -> int:
        if self.replaced:
            raise LogReplacedError("the log was made anew")
        if self.refuses:
            raise ConfigurationError("a permission is missing")
        if self.away.is_set():
            self.tried.release()
            raise LogUnavailableError("the log is away")
        return super().append(partition, record)


@dataclass
class CountingRegistry(MemoryRegistry):
    """A registry that tells of renewals, and may give the camera to another."""

    renewed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    taken: bool = False
    held: int = 0  # so many leases are refused at first

    def lease(self, camera: Camera, session: int | None) -> Lease:
        if self.taken or self.held > 0:
            self.held -= 1
            raise CameraHeldError("the camera is fed by another process")
        lease = super().lease(camera, session)
        if session is not None:
            self.renewed.release()
        return lease


@dataclass
class ScriptedCamera:
    """A camera that sends so many segments; what is to happen before one of them does so there."""

    count: int
    before: Mapping[int, Callable[[], object]] = field(default_factory=dict)
    size: int = SIZE
    can_wait: bool = False
    session: int | None = None
    error: SourceError | None = None  # in the place of its END

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        for sequence in range(self.count):
            self.before.get(sequence, lambda: None)()
            yield self._record(position, sequence, SegmentKind.GOP)
        if self.error is not None:
            raise self.error
        self.before.get(self.count, lambda: None)()
        yield self._record(position, self.count, SegmentKind.END)

    def _record(self, position: SourcePosition, sequence: int, kind: SegmentKind) -> Segment:
        payload = bytes(self.size) if kind is SegmentKind.GOP else b""
        start_us = sequence * 2_000_000
        return Segment(
            camera_id=position.camera_id,
            session=position.session,
            sequence=sequence,
            kind=kind,
            captured_us=start_us,
            duration_us=2_000_000 if payload else 0,
            payload=payload,
        )

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Bench:
    """An ingest of one live camera between fakes."""

    spool: SpoolLimits
    log: MovedLog = field(default_factory=MovedLog)
    registry: CountingRegistry = field(default_factory=CountingRegistry)
    clock: Clock = field(default_factory=lambda: FastClock(TIMES))
    stop: threading.Event = field(default_factory=threading.Event)
    name: str = "door"
    held_patience_s: float = 0.0
    stop_timeout_s: float = 20.0

    def ingest(self) -> Ingest:
        return Ingest(
            log=self.log,
            registry=self.registry,
            clock=self.clock,
            stop=self.stop,
            backlog=Backlog(2**30),
            spool=self.spool,
            held_patience_s=self.held_patience_s,
            stop_timeout_s=self.stop_timeout_s,
        )

    def camera(self) -> Camera:
        return self.registry.register(self.name, "rtsp://door")

    def carried(self) -> list[tuple[int, int]]:
        """Session and sequence of all that is in the log."""
        return [(segment.session, segment.sequence) for segment in self.log.segments(self.camera().partition)]

    def go_away(self) -> None:
        self.log.away.set()

    def come_back(self) -> None:
        """Be there again, once somebody has noticed that the log was away."""
        assert self.log.tried.acquire(timeout=30)
        self.log.away.clear()


def files(bench: Bench) -> int:
    return len(list(bench.spool.folder.glob("*/*.segment")))


def session(number: int, last: int) -> list[tuple[int, int]]:
    return [(number, sequence) for sequence in range(last + 1)]


def test_while_the_log_is_away_the_camera_is_read_on_and_nothing_is_lost(tmp_path: Path) -> None:
    bench, waiting = Bench(spool_in(tmp_path)), []
    camera = ScriptedCamera(40, {5: bench.go_away, 30: lambda: waiting.append(files(bench)), 31: bench.come_back})
    outcome = bench.ingest().run(camera, bench.camera())
    assert (outcome.segments, outcome.finished, outcome.spooled) == (40, True, 0)
    assert bench.carried() == session(1, 40)
    assert waiting[0] >= 20
    assert files(bench) == 0


def test_a_database_that_is_away_loses_nothing_either(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))

    def fail() -> None:
        bench.registry.failures = 5

    bench.ingest().run(ScriptedCamera(20, {5: fail}), bench.camera())
    assert sorted(set(bench.carried())) == session(1, 20)
    assert bench.carried() == sorted(bench.carried())


def test_memory_is_flat_while_the_log_is_away(tmp_path: Path) -> None:
    size, count = 200_000, 100
    bench, peaks = Bench(spool_in(tmp_path, max_bytes=2 * size * count)), []

    def measure() -> None:
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    steps = {0: bench.go_away, 1: tracemalloc.start, count - 1: measure, count: bench.come_back}
    bench.ingest().run(ScriptedCamera(count, steps, size=size), bench.camera())
    assert bench.carried() == session(1, count)
    assert peaks[0] < 10 * size, f"{peaks[0]} bytes for {count} segments of {size}"


def test_what_is_dropped_is_not_covered_and_what_is_sent_is(tmp_path: Path) -> None:
    filmed = segments(tmp_path / "film.mp4", [Person(hue=0, from_frame=0, to_frame=10)], 300, UUID(int=1))
    videos = [segment for segment in filmed if segment.kind is SegmentKind.GOP]
    kept = sum(len(segment.payload) + 600 for segment in videos[-4:])
    bench = Bench(spool_in(tmp_path / "spool", max_bytes=max(kept, 2000)))

    class FilmedCamera(ScriptedCamera):
        def segments(self, position: SourcePosition) -> Iterator[Segment]:
            for segment, told in zip(filmed, super().segments(position), strict=True):
                yield Segment(**{**{name: getattr(segment, name) for name in segment.__slots__}, "camera_id": told.camera_id, "session": 1})

    source = FilmedCamera(len(videos), {2: bench.go_away, len(videos): bench.come_back})
    bench.ingest().run(source, bench.camera())
    landed = bench.log.segments(bench.camera().partition)
    missing = {segment.sequence for segment in filmed} - {segment.sequence for segment in landed}
    assert missing
    run = Run().batch(records(landed))
    covered = sum(minute.seconds.bit_count() for minute in run.minutes)
    assert covered == sum(round(segment.duration_us / 1e6) for segment in landed)
    assert covered < sum(round(segment.duration_us / 1e6) for segment in filmed)


def test_what_the_stop_leaves_is_sent_by_the_next_start_before_its_own(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))
    outcome = bench.ingest().run(ScriptedCamera(10, {3: bench.go_away, 9: bench.stop.set}), bench.camera())
    assert not outcome.finished
    assert outcome.spooled == files(bench) >= 7
    bench.stop.clear()
    bench.log.away.clear()
    outcome = bench.ingest().run(ScriptedCamera(2), bench.camera())
    assert (outcome.finished, outcome.spooled) == (True, 0)
    assert bench.carried() == [*session(1, 10), *session(2, 2)]
    kinds = [segment.kind for segment in bench.log.segments(bench.camera().partition)]
    assert (kinds[10], kinds[-1]) == (SegmentKind.END, SegmentKind.END)


def test_a_camera_that_cannot_be_reached_does_not_keep_back_what_was_left(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))
    bench.ingest().run(ScriptedCamera(10, {3: bench.go_away, 9: bench.stop.set}), bench.camera())
    bench.stop.clear()
    bench.log.away.clear()
    outcome = bench.ingest().run(ScriptedCamera(0, error=SourceError("timeout", "nobody answers")), bench.camera())
    assert isinstance(outcome.failure, SourceError)
    assert bench.carried() == session(1, 10)
    assert not outcome.finished


def test_a_stop_waits_for_a_log_that_comes_back(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path), stop_timeout_s=3000.0)
    timer = threading.Timer(0.05, bench.come_back)
    source = ScriptedCamera(10, {3: bench.go_away, 9: bench.stop.set, 10: timer.start})
    outcome = bench.ingest().run(source, bench.camera())
    assert (outcome.finished, outcome.spooled) == (True, 0)


def test_of_a_lost_lease_what_waits_is_dropped(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path), name="lost door")

    def lose() -> None:
        bench.registry.fenced = True
        bench.come_back()

    outcome = bench.ingest().run(ScriptedCamera(10, {3: bench.go_away, 8: lose}), bench.camera())
    assert isinstance(outcome.failure, FencedError)
    assert files(bench) == 0
    assert metered("headcount_spool_dropped_total", camera="lost door", reason="fenced") > 0


def test_a_log_that_was_made_anew_ends_it_and_what_waits_is_kept(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))
    bench.log.replaced = True
    outcome = bench.ingest().run(ScriptedCamera(10), bench.camera())
    assert isinstance(outcome.failure, LogReplacedError)
    assert outcome.spooled == files(bench) > 0


def test_a_recording_waits_and_is_not_spooled(tmp_path: Path) -> None:
    bench, waiting = Bench(spool_in(tmp_path)), []
    timer = threading.Timer(0.05, bench.come_back)

    def go_away_for_a_while() -> None:
        bench.go_away()
        timer.start()

    watched = dict.fromkeys(range(3, 10), lambda: waiting.append(files(bench)))
    steps: Mapping[int, Callable[[], object]] = {2: go_away_for_a_while, **watched}
    outcome = bench.ingest().run(ScriptedCamera(10, steps, can_wait=True), bench.camera())
    assert bench.carried() == session(1, 10)
    assert outcome.finished
    assert not any(waiting)


def test_without_a_disk_the_camera_goes_on_and_what_is_lost_is_counted() -> None:
    bench = Bench(NO_DISK, name="poor door")
    outcome = bench.ingest().run(ScriptedCamera(10, {3: bench.go_away, 10: bench.come_back}), bench.camera())
    assert outcome.finished
    lost = metered("headcount_spool_dropped_total", camera="poor door", reason="disk")
    assert len(bench.carried()) == 11 - lost
    assert lost > 0


def test_a_camera_that_is_silent_is_kept(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path), clock=FastClock(1))

    def wait_for_renewals() -> None:
        assert bench.registry.renewed.acquire(timeout=30)

    assert bench.ingest().run(ScriptedCamera(2, {1: wait_for_renewals}), bench.camera()).finished


def test_brokers_that_refuse_take_nothing_from_what_waits(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))

    def refuse() -> None:
        bench.log.refuses = True
        bench.log.away.clear()

    outcome = bench.ingest().run(ScriptedCamera(40, {2: bench.go_away, 10: refuse}), bench.camera())
    assert isinstance(outcome.failure, ConfigurationError)
    assert files(bench) == outcome.spooled >= 8
    bench.log.refuses = False
    bench.ingest().run(ScriptedCamera(1), bench.camera())
    assert bench.carried()[:11] == session(1, 10)


def test_a_camera_is_kept_while_the_log_is_away(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))

    def take() -> None:
        bench.registry.taken = True

    outcome = bench.ingest().run(ScriptedCamera(3, {0: bench.go_away, 1: take}), bench.camera())
    assert isinstance(outcome.failure, CameraHeldError)


@pytest.mark.parametrize(("held", "patience_s", "finished"), [(5, 10.0, True), (10**6, 10.0, False), (1, 0.0, False)])
def test_a_camera_that_another_process_holds_is_waited_for_until_that_lease_lapses(
    tmp_path: Path, held: int, patience_s: float, *, finished: bool
) -> None:
    bench = Bench(spool_in(tmp_path), clock=SteppedClock(), held_patience_s=patience_s)
    bench.registry.held = held
    if finished:
        assert bench.ingest().run(ScriptedCamera(1), bench.camera()).finished
    else:
        with pytest.raises(CameraHeldError):
            bench.ingest().run(ScriptedCamera(1), bench.camera())


def test_who_waits_for_another_s_camera_stops_when_told(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path), held_patience_s=10**6)
    bench.registry.taken = True
    bench.stop.set()
    with pytest.raises(CameraHeldError):
        bench.ingest().run(ScriptedCamera(1), bench.camera())


def test_a_lease_that_the_database_did_not_hear_is_not_lost(tmp_path: Path) -> None:
    bench = Bench(spool_in(tmp_path))

    def forget() -> None:
        bench.registry.failures = 3

    source = ScriptedCamera(5, {0: bench.go_away, 2: forget, 4: bench.come_back})
    assert bench.ingest().run(source, bench.camera()).finished
    assert bench.carried() == session(1, 5)
