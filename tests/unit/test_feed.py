from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, cast

import av
import pytest

from pipeline.errors import ConfigurationError, DatabaseUnavailableError, LogReplacedError, SourceError
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.types import SegmentKind
from services.clock import SystemClock
from services.feed import Feeding, FeedOptions, register, usable_sources
from services.progress import RunProgress
from services.segment_log import log_limits
from services.source_list import ListedSource
from services.wiring import Column, Place
from tests.clips import CODECS, Clip, make_clip
from tests.fakes import MemoryLog, MemoryRegistry
from tests.sources import options, read, videos
from tests.spools import NO_DISK

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Clock
    from pipeline.types import Record


def sources(*paths: Path | str, names: tuple[str, ...] = ()) -> FeedOptions:
    return FeedOptions(sources=[str(path) for path in paths], names=names)


def names_of(options: FeedOptions) -> list[str]:
    return [source.name for source in usable_sources(options, Settings())[0]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "door", CODECS["h264"])


@pytest.fixture
def garbage(tmp_path: Path) -> Path:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(b"no video" * 100)
    return path


def test_a_camera_is_named_after_its_file(clip: Path) -> None:
    assert names_of(sources(clip)) == ["door"]


def test_files_of_one_name_are_distinct_cameras(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert names_of(sources(clip, make_clip(other / "door", CODECS["h264"]))) == ["door", "door-2"]


def test_given_names_are_taken_in_order(clip: Path) -> None:
    assert names_of(sources(clip, clip, names=("left", "right"))) == ["left", "right"]


def test_a_name_too_few_is_refused(clip: Path) -> None:
    with pytest.raises(ConfigurationError, match="got 1 for 2 cameras"):
        usable_sources(sources(clip, clip, names=("left",)), Settings())


def test_sources_that_cannot_be_keep_neither_the_others_nor_their_names(clip: Path, garbage: Path, tmp_path: Path) -> None:
    usable, failures = usable_sources(sources(tmp_path / "missing.mp4", garbage, clip, names=("a", "b", "c")), Settings())
    assert [source.name for source in usable] == ["c"]
    assert [failure.kind for failure in failures] == ["not_found", "not_a_video"]


def test_listed_sources_have_their_own_names_beside_those_of_the_command(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    listed = [
        ListedSource(address=str(clip)),
        ListedSource(address=str(clip), name="hall"),
        ListedSource(address=str(make_clip(other / "exit", CODECS["h264"]).parent), name="hall"),
        ListedSource(address=str(tmp_path / "missing.mp4"), name="lost"),
    ]
    usable, failures = usable_sources(FeedOptions(sources=[str(clip)], names=("left",), listed=listed), Settings())
    assert [source.name for source in usable] == ["left", "door", "hall", "hall-2"]
    assert [failure.kind for failure in failures] == ["not_found"]


def test_where_none_opens_the_first_reason_is_told(garbage: Path) -> None:
    with pytest.raises(SourceError, match=r"garbage\.mp4"):
        usable_sources(sources(garbage), Settings())


@dataclass
class ExpiringLog(MemoryLog):
    """Of what is appended, nothing is acknowledged before the log was told to expire, when `waits`."""

    waits: bool = False
    expired: threading.Event = field(default_factory=threading.Event)

    def append(self, partition: int, record: Record) -> int:
        if self.waits:
            self.expired.wait(10)
        return super().append(partition, record)

    def expire(self) -> None:
        self.expired.set()


@dataclass
class ReplacedLog(ExpiringLog):
    """A log that was made anew."""

    def append(self, partition: int, record: Record) -> int:
        del partition, record
        raise LogReplacedError("the log was made anew")


@dataclass
class FaultyLog(ExpiringLog):
    """A log with a bug."""

    def append(self, partition: int, record: Record) -> int:
        del partition, record
        raise ZeroDivisionError


@dataclass
class MemoryColumn:
    """As much of a column as feeding needs, in memory."""

    log: ExpiringLog = field(default_factory=ExpiringLog)
    cameras: MemoryRegistry = field(default_factory=MemoryRegistry)
    settings: Settings = field(default_factory=Settings)
    clock: Clock = field(default_factory=SystemClock)
    place: Place = field(default_factory=lambda: Place(database_url="", log_path=NO_DISK.folder / "log", kept=True))
    notices: list[str] = field(default_factory=list)
    backlogs: deque[bool | None] = field(default_factory=deque)  # what it answers next; None: the database is away

    def backlog(self) -> bool:
        answer = self.backlogs.popleft() if self.backlogs else False
        if answer is None:
            raise DatabaseUnavailableError("the database is away")
        assert not self.log.partitions, "fed before the backlog was gone"
        return answer

    def registry(self, slot: str | None = None) -> MemoryRegistry:
        del slot
        return self.cameras

    def expire(self) -> None:
        self.log.expire()

    def feed(self, *paths: Path, expiry_s: float = 5.0) -> Feeding:
        """Feed the files to their end; return what became of them."""
        column, wanted = cast("Column", self), sources(*paths)
        feeding = Feeding(column, wanted, RunProgress(), self.notices.append, expiry_s=expiry_s)
        with feeding.running(register(column, usable_sources(wanted, self.settings)[0], wanted), after_backlog=True):
            assert feeding.fed.wait(60)
        return feeding


def test_what_was_fed_is_told_by_camera_and_session(clip: Path, tmp_path: Path) -> None:
    other = make_clip(tmp_path / "hall", Clip(frames=10))
    column = MemoryColumn()
    feeding = column.feed(clip, other)
    carried = {(segment.camera_id, segment.session) for partition in range(4) for segment in column.log.segments(partition)}
    assert (len(carried), set(feeding.sessions)) == (2, carried)
    assert not feeding.failures


def test_a_source_that_fails_on_the_way_is_still_told(clip: Path) -> None:
    column = MemoryColumn(cameras=MemoryRegistry(fenced=True))
    feeding = column.feed(clip)
    camera = column.cameras.cameras["door"]
    assert [camera_id for camera_id, _ in feeding.sessions] == [camera.camera_id]
    assert [str(failure) for failure in feeding.failures] == ["the lease was lost"]
    assert column.notices == ["headcount: the lease was lost"]


def test_a_log_that_was_made_anew_stops_all_that_is_fed_and_is_told(clip: Path) -> None:
    column = MemoryColumn(log=ReplacedLog())
    feeding = column.feed(clip)
    assert feeding.replaced is not None
    assert feeding.stop_feeding.is_set()
    assert not feeding.interrupted


def test_a_fault_of_ours_that_ends_a_camera_is_told_at_once_and_raised_at_the_end(clip: Path) -> None:
    column = MemoryColumn(log=FaultyLog())
    with pytest.raises(ZeroDivisionError):
        column.feed(clip)
    assert column.notices == ["camera 'door' is not fed any more, by a fault of Headcount; start this process again"]


def test_feeding_waits_for_the_backlog_of_an_earlier_run_also_while_nobody_can_tell(clip: Path) -> None:
    column = MemoryColumn(backlogs=deque([True, None, None, True]))
    assert not column.feed(clip).failures
    assert not column.backlogs
    assert column.log.segments(0)


def test_segments_that_the_log_refuses_are_told(clip: Path) -> None:
    column = MemoryColumn(log=ExpiringLog(max_bytes=1000))
    column.feed(clip)
    assert [segment.kind for segment in column.log.segments(0)] == [SegmentKind.END]
    assert len(column.notices) == 1
    assert column.notices[0].startswith(f"{len(videos(read(clip)))} segments were larger than the log carries and were left out: ")


def test_video_expires_also_while_nothing_is_appended(clip: Path) -> None:
    column = MemoryColumn(log=ExpiringLog(waits=True))
    column.feed(clip, expiry_s=0.01)
    assert column.log.expired.is_set()


def test_the_log_carries_the_largest_segment_with_all_that_is_around_its_packets(tmp_path: Path) -> None:
    settings = Settings(segment_target_s=30)
    clip = make_clip(tmp_path / "long", Clip(frames=settings.segment_max_frames, fps=30, size_wh=(32, 32)))
    [segment] = videos(read(clip, options(settings)))
    assert segment.frame_count == settings.segment_max_frames
    with av.open(BytesIO(segment.payload), "r") as container:
        packets = sum(packet.size for packet in container.demux(video=0))
    assert to_record(segment).size - packets <= log_limits(settings).max_record_bytes - settings.segment_max_bytes
