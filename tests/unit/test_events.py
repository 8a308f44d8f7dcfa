"""What a worker and an ingest log, by event; each trouble once, with its end."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.testing import capture_logs

from pipeline.errors import SupersededError
from tests.fake_database import MemoryClaims
from tests.fakes import ListSource, MemoryLog, MemoryRegistry
from tests.unit.test_ingest import Bench as IngestBench
from tests.unit.test_ingest import BreakingSource, video
from tests.workbench import Bench, HoledLog, TickingClock

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

TROUBLE = "warning"


@pytest.fixture
def events() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield captured


def named(events: list[MutableMapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [dict(event) for event in events if event["event"] in names]


def trouble(events: list[MutableMapping[str, Any]]) -> list[str]:
    return [event["event"] for event in events if event["log_level"] == TROUBLE]


def test_an_undisturbed_worker_has_no_trouble_but_its_dead_letters(events: list[MutableMapping[str, Any]]) -> None:
    Bench(partitions=2).fill(1, 2).run_to_the_end()
    taken = named(events, "claim_taken")
    assert [(event["partition"], event["epoch"], event["offset"], event["crashes"]) for event in taken] == [(0, 1, 0, 0), (1, 1, 0, 0)]
    assert sorted((event["partition"], event["offset"]) for event in named(events, "claim_released")) == [(0, 1), (1, 2)]
    letters = named(events, "dead_letter")
    assert sorted((event["partition"], event["offset"], event["reason"]) for event in letters) == [
        (0, 0, "bad_header"),
        (1, 0, "bad_header"),
        (1, 1, "bad_header"),
    ]
    assert trouble(events) == ["dead_letter"] * 3


def test_offsets_that_retention_took_are_told(events: list[MutableMapping[str, Any]]) -> None:
    Bench(log=HoledLog(first=2)).fill(3).run_to_the_end()
    (gap,) = named(events, "log_gap")
    assert (gap["partition"], gap["offset"], gap["to_offset"], gap["reason"]) == (0, 0, 2, "retention")


def test_a_claim_that_another_took_is_told(events: list[MutableMapping[str, Any]]) -> None:
    bench = Bench(partitions=2).fill(4, 4)
    bench.run_while_another_takes_partition_0()
    (lost,) = named(events, "claim_lost")
    assert (lost["partition"], lost["epoch"], lost["log_level"]) == (0, 1, TROUBLE)


def test_renewing_that_fails_is_told_once_and_so_is_its_end(events: list[MutableMapping[str, Any]]) -> None:
    bench = Bench(clock=TickingClock())
    renewed = threading.Event()

    class Renewing(MemoryClaims):
        def renew(self) -> None:
            super().renew()
            if renewed.is_set():
                bench.stop.set()
            renewed.set()

    bench.claims = Renewing(bench.database, away=Counter(renew=4))
    bench.worker().run()
    assert [event for event in trouble(events) if event.startswith("renewing")] == ["renewing_fails", "renewing_goes_on"]


def test_a_worker_that_gives_way_says_so(events: list[MutableMapping[str, Any]]) -> None:
    bench = Bench()
    bench.on_point = lambda _: bench.database.workers.update(a="a:2")
    with pytest.raises(SupersededError):
        bench.worker().run()
    assert len(named(events, "superseded")) == 1


def test_a_session_is_told_with_its_camera_and_partition(events: list[MutableMapping[str, Any]]) -> None:
    bench = IngestBench()
    bench.ingest().run(ListSource(video(5)), bench.registry.register("door", "door.mp4"))
    begun, ended = events
    assert (begun["event"], begun["camera"], begun["partition"], begun["session"], begun["sequence"]) == ("session_begun", "door", 0, 7, 0)
    assert (ended["event"], ended["camera"], ended["segments"], ended["finished"]) == ("session_ended", "door", 5, True)
    assert (ended["reason"], ended["error"]) == (None, None)
    assert trouble(events) == []
    assert structlog.contextvars.get_contextvars() == {}, "the next camera of this thread is another"


def test_a_session_that_breaks_says_why(events: list[MutableMapping[str, Any]]) -> None:
    bench = IngestBench()
    bench.ingest().run(BreakingSource(video(2)), bench.registry.register("door", "door.mp4"))
    (ended,) = named(events, "session_ended")
    assert (ended["reason"], ended["error"]) == ("unreadable", "the camera is gone")
    assert trouble(events) == [], "the command says it to people"


@pytest.mark.parametrize(
    ("bench", "error"),
    [
        (IngestBench(log=MemoryLog(failures=3)), "the log is away"),
        (IngestBench(registry=MemoryRegistry(failures=4)), "the database is away"),
    ],
)
def test_what_is_waited_for_is_told_once_and_so_is_its_end(bench: IngestBench, error: str, events: list[MutableMapping[str, Any]]) -> None:
    bench.ingest().run(ListSource(video(2)), bench.registry.register("door", "door.mp4"))
    waiting, over = named(events, "waiting", "waiting_is_over")
    assert (waiting["event"], waiting["camera"], waiting["error"]) == ("waiting", "door", error)
    assert over["event"] == "waiting_is_over"


def test_a_segment_that_the_log_does_not_carry_is_told(events: list[MutableMapping[str, Any]]) -> None:
    bench = IngestBench(log=MemoryLog(max_bytes=1))
    bench.ingest().run(ListSource(video(1)[:1]), bench.registry.register("door", "door.mp4"))
    (refused,) = named(events, "segment_refused")
    assert (refused["camera"], refused["sequence"], refused["reason"]) == ("door", 0, "too_large")
