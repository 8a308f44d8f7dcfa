"""Each metric moves when what it counts happens, and only then."""

from __future__ import annotations

import ast
import math
import shutil
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

import pipeline.metrics
from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.errors import LogUnavailableError
from pipeline.metrics import count_batch, count_ingested, count_read, hide_lag, show_lag, show_workers
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.types import BatchResult, CoverageMinute, DeadLetter, Lag, LogGap, Record, StoredRecord
from tests.clocks import SteppedClock
from tests.contract.samples import NOON, a_visit
from tests.fake_database import LOST
from tests.fakes import ListSource, MemoryLog, MemoryRegistry
from tests.metered import metered
from tests.unit.test_ingest import VIDEO_BYTES, video
from tests.unit.test_ingest import Bench as IngestBench
from tests.workbench import UNREADABLE, Bench, TickingClock

ROOT = Path(__file__).parents[2]
CAMERA = UUID(int=1)
METRICS = {name: metric for name, metric in vars(pipeline.metrics).items() if isinstance(metric, Counter | Gauge | Histogram)}


def test_a_batch_is_counted_by_what_it_holds() -> None:
    totals = ("visits", "segments_analysed", "frames_decoded", "frames_analysed", "detections", "commits", "lost_offsets")
    before = {name: metered(f"headcount_{name}_total") for name in totals}
    blurred, corrupt = (metered("headcount_rejected_total", reason="blurred"), metered("headcount_dead_letters_total", reason="corrupt"))
    minute = CoverageMinute(
        camera_id=CAMERA, minute=NOON, segments=2, frames_decoded=50, frames_analysed=10, detections=7, rejected={"blurred": 3}
    )
    count_batch(
        BatchResult(
            visits=(a_visit(CAMERA), a_visit(CAMERA)),
            coverage=(minute, minute),
            dead_letters=(DeadLetter(partition=0, offset=3, reason="corrupt"),),
            log_gaps=(LogGap(partition=0, from_offset=4, to_offset=9, reason="retention"),),
        )
    )
    moved = {name: metered(f"headcount_{name}_total") - before[name] for name in totals}
    assert list(moved.values()) == [2, 4, 100, 20, 14, 1, 5]
    assert metered("headcount_rejected_total", reason="blurred") == blurred + 6
    assert metered("headcount_dead_letters_total", reason="corrupt") == corrupt + 1
    assert abs(metered("headcount_last_commit_timestamp_seconds") - time.time()) < 60


def test_a_worker_counts_what_it_committed_and_nothing_that_was_lost() -> None:
    before = metered("headcount_commits_total"), metered("headcount_dead_letters_total", reason="bad_header")
    bench = Bench(partitions=2, settings=Settings(commit_segments=5, renew_s=0.01)).fill(3, 4)
    bench.facts.broken.extend([LOST, LOST])
    bench.run_to_the_end()
    assert metered("headcount_commits_total") == before[0] + 2
    assert metered("headcount_dead_letters_total", reason="bad_header") == before[1] + 7


def test_a_worker_counts_what_it_reads() -> None:
    before = metered("headcount_records_read_total"), metered("headcount_read_bytes_total")
    Bench().fill(3).run_to_the_end()
    assert metered("headcount_records_read_total") == before[0] + 3
    assert metered("headcount_read_bytes_total") == before[1] + 3 * UNREADABLE.size


def test_a_worker_shows_its_partitions_and_their_lag_while_it_holds_them() -> None:
    bench = Bench(partitions=2, settings=Settings(commit_segments=1, renew_s=0.01), clock=TickingClock(datetime.now(UTC))).fill(3, 0)
    seen: list[tuple[float, float, float]] = []

    def on_point(point: str) -> None:
        if point == "after_commit":
            labels = {"partition": "0"}
            lag = metered("headcount_lag_records", **labels), metered("headcount_lag_seconds", **labels)
            seen.append((metered("headcount_partitions_held"), *lag))

    bench.on_point = on_point
    bench.run_to_the_end()
    assert [records for _, records, _ in seen] == [2, 1, 0]
    assert seen[1][0] == 2
    assert seen[0][2] > 0
    assert seen[2][2] == 0
    assert metered("headcount_partitions_held") == 0
    assert REGISTRY.get_sample_value("headcount_lag_records", {"partition": "0"}) is None


def test_a_lag_is_asked_for_at_each_look_and_may_be_unknown() -> None:
    now: dict[str, Lag | None] = {"lag": Lag(records=3, seconds=1.5)}
    show_lag(99, lambda: now["lag"])
    assert metered("headcount_lag_records", partition="99") == 3
    assert metered("headcount_lag_seconds", partition="99") == 1.5
    now["lag"] = None
    assert math.isnan(metered("headcount_lag_records", partition="99"))
    assert math.isnan(metered("headcount_lag_seconds", partition="99"))
    hide_lag(99)
    assert REGISTRY.get_sample_value("headcount_lag_records", {"partition": "99"}) is None
    assert REGISTRY.get_sample_value("headcount_lag_seconds", {"partition": "99"}) is None


def test_what_was_read_is_counted_in_records_and_bytes() -> None:
    before = metered("headcount_records_read_total"), metered("headcount_read_bytes_total")
    record = Record(headers=(("a", b"bc"),), value=b"12345")
    count_read([StoredRecord(partition=0, offset=n, record=record) for n in range(3)])
    assert metered("headcount_records_read_total") == before[0] + 3
    assert metered("headcount_read_bytes_total") == before[1] + 3 * 8


def test_ingest_counts_what_was_acknowledged_by_camera() -> None:
    bench = IngestBench()
    bench.ingest().run(ListSource(video(5)), bench.registry.register("counted door", "door.mp4"))
    assert metered("headcount_ingested_segments_total", camera="counted door") == 5
    assert metered("headcount_ingested_bytes_total", camera="counted door") == 5 * VIDEO_BYTES
    assert metered("headcount_reconnects_total", camera="counted door") == 0


def test_ingest_counts_what_was_refused() -> None:
    *_, end = video(3)
    bench = IngestBench(log=MemoryLog(max_bytes=to_record(end).size))
    bench.ingest().run(ListSource(video(3)), bench.registry.register("fat door", "door.mp4"))
    assert metered("headcount_refused_segments_total", camera="fat door") == 3
    assert metered("headcount_ingested_segments_total", camera="fat door") == 0


def test_ingest_counts_how_long_it_waited_for_room() -> None:
    bench = IngestBench(registry=MemoryRegistry(keeps_up=False), room=2 * VIDEO_BYTES)
    bench.ingest().run(ListSource(video(10)), bench.registry.register("full door", "door.mp4"))
    assert metered("headcount_room_wait_seconds_total", camera="full door") == pytest.approx(0.8)


def test_a_camera_that_came_back_is_counted() -> None:
    count_ingested("lost door", 10, reconnected=False)
    count_ingested("lost door", 10, reconnected=True)
    assert metered("headcount_reconnects_total", camera="lost door") == 1


def test_the_supervisor_shows_its_workers() -> None:
    show_workers(wanted=4, running=3)
    assert (metered("headcount_workers_wanted"), metered("headcount_workers_running")) == (4, 3)


def test_a_log_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    before = metered("headcount_log_unavailable_total")
    limits = LogLimits(partitions=1, retention_s=60, max_bytes=2**20, max_record_bytes=2**10)
    with LocalLog(tmp_path / "log", clock=SteppedClock(), limits=limits) as log:
        log.offsets(0)
        assert metered("headcount_log_unavailable_total") == before
        shutil.rmtree(tmp_path / "log")
        with pytest.raises(LogUnavailableError):
            log.offsets(0)
    assert metered("headcount_log_unavailable_total") == before + 1


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@cache
def _imported_elsewhere() -> set[str]:
    """Return what the library and the services import from the module of the metrics."""
    found: set[str] = set()
    for path in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "services").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "pipeline.metrics":
                found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("name", METRICS)
def test_something_sets_each_metric(name: str) -> None:
    """The metric itself, or a function that moves it, is used outside of the module that makes it."""
    tree = ast.parse((ROOT / "pipeline/metrics.py").read_text(encoding="utf-8"))
    movers = {part.name for part in tree.body if isinstance(part, ast.FunctionDef | ast.ClassDef) and name in _names(part)}
    assert ({name} | movers) & _imported_elsewhere()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_each_metric_has_its_unit_and_says_what_to_do(metric: Counter | Gauge | Histogram) -> None:
    (family,) = metric.describe()
    assert family.name.startswith("headcount_")
    assert len(family.documentation.split(". ", 1)) == 2, "what it is, and what to do when it moves"
    if "econds" in family.documentation.split(". ")[0]:
        assert family.name.endswith("_seconds")
