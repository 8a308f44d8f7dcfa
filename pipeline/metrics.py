"""Every metric once, with what to do when it moves, and the functions that move several at once; may import types."""

from __future__ import annotations

import math
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Self

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.types import BatchResult, Lag, StoredRecord


class Stage(StrEnum):
    """Where a worker's time goes; the stages do not overlap."""

    LOG = "log"  # reading records
    DEMUX = "demux"
    DECODE = "decode"
    SCALE = "scale"  # the detector's small picture
    DETECT = "detect"
    TRACK = "track"
    ALIGN = "align"  # windows, crops and their quality
    CLASSIFY = "classify"
    COMMIT = "commit"


class Replacement(StrEnum):
    """Why a worker was replaced."""

    DIED = "died"
    HUNG = "hung"
    CLUSTER_LOST = "cluster_lost"


class Scaling(StrEnum):
    """Which way the number of workers was changed."""

    UP = "up"
    DOWN = "down"


class Outcome(StrEnum):
    """What became of a request to Triton."""

    OK = "ok"
    AWAY = "away"  # no answer
    NOT_SERVED = "not_served"
    REFUSED = "refused"


class BreakerState(StrEnum):
    """Whether Triton is asked."""

    CLOSED = "closed"  # it is
    HALF_OPEN = "half_open"  # by one, who tries for all
    OPEN = "open"  # not now


# A worker. What an analysis gives is counted after its commit: what was refused is not.

RECORDS_READ = Counter(
    "headcount_records_read_total",
    "Records that were read from the log; again after a lost commit. Stands still with lag: look at the log and at the stages.",
)
READ_BYTES = Counter(
    "headcount_read_bytes_total",
    "Bytes of those records. Far above what ingest acknowledges: batches are read again and again, look at lost commits.",
)
SEGMENTS_ANALYSED = Counter(
    "headcount_segments_analysed_total",
    "Segments that were analysed and stored. Slower than segments are ingested: lag grows, add workers.",
)
FRAMES_DECODED = Counter(
    "headcount_frames_decoded_total",
    "Frames that were decoded. Many times the frames analysed: cameras send more frames than HEADCOUNT_ANALYSIS_FPS asks for.",
)
FRAMES_ANALYSED = Counter(
    "headcount_frames_analysed_total",
    "Frames that were searched for faces. Drops while segments are analysed: look at the reasons of rejected and dead letters.",
)
DETECTIONS = Counter(
    "headcount_detections_total",
    "Faces that were found in analysed frames. None over hours of opening time: look at the camera's picture and at the detector.",
)
CROPS_CLASSIFIED = Counter(
    "headcount_crops_classified_total",
    "Crops whose age and gender were estimated. Few of the detections: faces are small or turned away, see rejected by reason.",
)
VISITS = Counter(
    "headcount_visits_total",
    "Visits that were stored. None while there are detections: tracks are not confirmed, see rejected by reason.",
)
REJECTED = Counter(
    "headcount_rejected_total",
    "What was seen and not used, by reason (docs/commands.md). A reason that jumps tells what changed before the camera.",
    ["reason"],
)
DEAD_LETTERS = Counter(
    "headcount_dead_letters_total",
    "Records, or the rest of one, that could not be analysed, by reason. Expected 0: their coordinates are in the table dead_letter.",
    ["reason"],
)
DEAD_LETTERS_KEPT = Counter(
    "headcount_dead_letters_kept_total",
    "Dead letters whose bytes were put on the shelf, for headcount deadletters extract. Moves with the dead letters; look at those.",
)
DEAD_LETTERS_NOT_KEPT = Counter(
    "headcount_dead_letters_not_kept_total",
    "Dead letters whose bytes could not be put on the shelf; reason and place are stored all the same. "
    "Expected 0: the log says why, event dead_letter_not_kept.",
)
DEAD_LETTER_STREAK = Gauge(
    "headcount_dead_letter_streak",
    "Records with video in a row that could not be used. "
    "Grows: a camera, or whoever sends, is broken; at HEADCOUNT_DEAD_LETTERS_IN_A_ROW, of several cameras, the worker stops.",
)
LOST_OFFSETS = Counter(
    "headcount_lost_offsets_total",
    "Offsets that were gone before they were read. Expected 0: raise HEADCOUNT_RETENTION_MINUTES or add workers; or the topic is another.",
)
COMMITS = Counter(
    "headcount_commits_total",
    "Batches that were stored. Stands still while there is lag: look at the stages and at the database.",
)
LAST_COMMIT = Gauge(
    "headcount_last_commit_timestamp_seconds",
    "When a batch was stored last, seconds since the epoch; 0: none yet. Long ago while there is lag: the worker hangs or waits.",
)
UNCONFIRMED_COMMITS = Counter(
    "headcount_unconfirmed_commits_total",
    "Commits whose answer was lost; what became of each was asked again. Moves when connections break: look at the network and the server.",
)
DATABASE_UNAVAILABLE = Counter(
    "headcount_database_unavailable_total",
    "Transactions that the database did not take; they are tried again. Goes on moving: it is away, full or overloaded, see its log.",
)
LOG_UNAVAILABLE = Counter(
    "headcount_log_unavailable_total",
    "Calls that the segment log did not take; they are tried again. Goes on moving: look at the data folder's disk, or at the brokers.",
)
LOG_BUFFERED_BYTES = Gauge(
    "headcount_log_buffered_bytes",
    "Bytes that were fetched from Kafka and wait to be analysed. Nears 128 MiB: workers are slower than the log; that is where it stops.",
)
LOG_FETCH_ERRORS = Counter(
    "headcount_log_fetch_errors_total",
    "Fetches from Kafka that failed; they are made again. Goes on moving: look at the brokers, and at the event fetch_failed.",
)
LOG_APPEND_SECONDS = Counter(
    "headcount_log_append_seconds_total",
    "Seconds that threads waited for Kafka's acknowledgements. More than a tenth of a second a segment: brokers or network are slow.",
)
LOG_IN_FLIGHT_BYTES = Gauge(
    "headcount_log_in_flight_bytes",
    "Bytes that were sent to Kafka and are not acknowledged. Stays at 64 MiB, where it stops: the brokers do not keep up.",
)
LOG_REPLACED = Counter(
    "headcount_log_replaced_total",
    "Times that the topic was found to be made anew. Expected 0: somebody deleted it; what it held and nobody had analysed is lost.",
)
VISIT_CONFLICTS = Counter(
    "headcount_visit_conflicts_total",
    "Visits that were already stored under their key and were left as they are. Expected 0: a log was read twice, or a fence failed.",
)
FENCED = Counter(
    "headcount_fenced_total",
    "Commits that were refused because another process holds the claim. Moves at take-overs; if it goes on, look for stalled workers.",
)
CAREFUL_RECORDS = Counter(
    "headcount_careful_records_total",
    "Records that were opened alone, because holders of their partition had died. Goes on moving: a record kills workers.",
)
PARTITIONS_HELD = Gauge(
    "headcount_partitions_held",
    "Partitions that this worker holds. 0 for long: more workers than partitions. The sum below the partitions: some lie idle.",
)
LAG_RECORDS = Gauge(
    "headcount_lag_records",
    "Records of a held partition that are not analysed and stored. Grows: the worker is too slow, or hangs on one record.",
    ["partition"],
)
LAG_SECONDS = Gauge(
    "headcount_lag_seconds",
    "How long the oldest of them has been in the log. Nears HEADCOUNT_RETENTION_MINUTES: video is lost soon, add workers.",
    ["partition"],
)
STAGE_SECONDS = Counter(
    "headcount_stage_seconds_total",
    "Seconds that threads of this process spent in a stage, waiting included. A stage whose share grows is where to look.",
    ["stage"],
)

# A worker whose model runs at Triton.

TRITON_REQUESTS = Counter(
    "headcount_triton_requests_total",
    "Inferences that Triton was asked for, by outcome. away moves: it does not answer, see its log; refused: see the worker's error.",
    ["outcome"],
)
TRITON_REQUEST_SECONDS = Histogram(
    "headcount_triton_request_seconds",
    "Seconds that Triton took for each of them. Grows: it has too little to run on, or too many workers ask it.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
TRITON_IN_FLIGHT = Gauge(
    "headcount_triton_requests_in_flight",
    "Inferences that are under way. Always HEADCOUNT_TRITON_IN_FLIGHT: lanes wait for their turn, Triton is too slow.",
)
TRITON_BREAKER = Gauge(
    "headcount_triton_breaker",
    "1 at the state in which the circuit breaker is. open or half_open for long: Triton is away, partitions wait, nothing is lost.",
    ["state"],
)

# Ingest.

INGESTED_SEGMENTS = Counter(
    "headcount_ingested_segments_total",
    "Segments with video that are in the log, by camera. Stands still for a live camera: it is offline, see its failures.",
    ["camera"],
)
INGESTED_BYTES = Counter(
    "headcount_ingested_bytes_total",
    "Bytes of those segments. Jumps: the camera's bit rate was changed; the log holds HEADCOUNT_RETENTION_MINUTES of it.",
    ["camera"],
)
REFUSED_SEGMENTS = Counter(
    "headcount_refused_segments_total",
    "Segments that were larger than the log carries and were left out. Expected 0: raise HEADCOUNT_SEGMENT_MAX_BYTES.",
    ["camera"],
)
RECONNECTS = Counter(
    "headcount_reconnects_total",
    "Times that a live camera sent video again after it was lost. Moves often: look at its network and power.",
    ["camera"],
)
CAMERA_FAILURES = Counter(
    "headcount_camera_failures_total",
    "Connections to live cameras that failed or were lost, by reason (docs/cameras.md). The log names the camera.",
    ["reason"],
)
CAMERAS_ONLINE = Gauge(
    "headcount_cameras_online",
    "Live cameras that send video now. Below the number of cameras: look at the failures.",
)
ROOM_WAIT_SECONDS = Counter(
    "headcount_room_wait_seconds_total",
    "Seconds that a recording waited because too much of its partition was not analysed. Moves: workers are slower than ingest.",
    ["camera"],
)
CLOCK_CORRECTION_SECONDS = Counter(
    "headcount_capture_clock_correction_seconds_total",
    "Seconds by which capture times of live cameras were moved against the cameras' own clocks. Grows slowly with their drift; "
    "jumps: a camera's clock was set.",
)
SPOOL_BYTES = Gauge(
    "headcount_spool_bytes",
    "Bytes of live video that wait on disk to be sent, by camera. Grows: the log or the database is away, see docs/operations.md.",
    ["camera"],
)
SPOOL_RECORDS = Gauge(
    "headcount_spool_records",
    "Records of live video that are not acknowledged, by camera. 0 or 1 is usual; grows: the log or the database is away or slow.",
    ["camera"],
)
SPOOL_DROPPED = Counter(
    "headcount_spool_dropped_total",
    "Records of live video that were dropped before they were sent, by camera and reason. Expected 0: video is lost (docs/operations.md).",
    ["camera", "reason"],
)
CAPTURE_TIMES_REFUSED = Counter(
    "headcount_capture_times_refused_total",
    "Live segments whose capture time cannot be: far in the past, or in the future. Moves: set the clock of this machine right (NTP).",
)

# The supervisor of the workers, and the embedded server.

WORKERS_WANTED = Gauge(
    "headcount_workers_wanted",
    "Workers that there should be. At HEADCOUNT_ACTORS_MAX with lag: this machine or cluster is too small.",
)
WORKERS_RUNNING = Gauge(
    "headcount_workers_running",
    "Workers that answer. Below those wanted for more than a minute: they do not start, see why they were replaced.",
)
WORKERS_REPLACED = Counter(
    "headcount_workers_replaced_total",
    "Workers that were replaced, by reason. Moves: died, see memory and dead letters; hung, see HEADCOUNT_HANG_S and the log.",
    ["reason"],
)
SCALE_CHANGES = Counter(
    "headcount_scale_changes_total",
    "Changes of the number of workers, by direction. Up and down by turns: raise HEADCOUNT_SCALE_IDLE_S.",
    ["direction"],
)
DATABASE_RESTARTS = Counter(
    "headcount_database_restarts_total",
    "Times that the embedded database was found dead and started again. Moves: see server.log in its folder, and the machine's memory.",
)

_OF_STAGE = {stage: STAGE_SECONDS.labels(stage) for stage in Stage}
for _reason in Replacement:
    WORKERS_REPLACED.labels(_reason)
for _direction in Scaling:
    SCALE_CHANGES.labels(_direction)
for _outcome in Outcome:
    TRITON_REQUESTS.labels(_outcome)


class timed:  # noqa: N801 - reads as a verb: `with timed(Stage.DECODE):`
    """Adds the time of a block to its stage, for about a microsecond a block. Nothing that is counted depends on it."""

    __slots__ = ("_began", "_seconds")

    def __init__(self, stage: Stage) -> None:
        self._seconds = _OF_STAGE[stage]

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds.inc(perf_counter() - self._began)


def stage_seconds() -> dict[str, float]:
    """Return the seconds that this process has spent in each stage."""
    (metric,) = STAGE_SECONDS.collect()
    return {sample.labels["stage"]: sample.value for sample in metric.samples if sample.name.endswith("_total")}


def count_read(records: Sequence[StoredRecord]) -> None:
    """Count what was read from the log, to be analysed."""
    RECORDS_READ.inc(len(records))
    READ_BYTES.inc(sum(stored.record.size for stored in records))


def count_batch(result: BatchResult) -> None:
    """Count a batch; only after it was committed."""
    COMMITS.inc()
    LAST_COMMIT.set_to_current_time()
    VISITS.inc(len(result.visits))
    for minute in result.coverage:
        SEGMENTS_ANALYSED.inc(minute.segments)
        FRAMES_DECODED.inc(minute.frames_decoded)
        FRAMES_ANALYSED.inc(minute.frames_analysed)
        DETECTIONS.inc(minute.detections)
        for reason, number in minute.rejected.items():
            REJECTED.labels(reason).inc(number)
    for letter in result.dead_letters:
        DEAD_LETTERS.labels(letter.reason).inc()
    for gap in result.log_gaps:
        LOST_OFFSETS.inc(gap.to_offset - gap.from_offset)


def show_lag(partition: int, lag: Callable[[], Lag | None]) -> None:
    """Show a held partition's lag from now on: asked whenever somebody reads the metrics; None: it is not known."""

    def records() -> float:
        known = lag()
        return math.nan if known is None else known.records

    def seconds() -> float:
        known = lag()
        return math.nan if known is None else known.seconds

    LAG_RECORDS.labels(partition).set_function(records)
    LAG_SECONDS.labels(partition).set_function(seconds)


def hide_lag(partition: int) -> None:
    """Show a partition's lag no more: another worker may."""
    for gauge in (LAG_RECORDS, LAG_SECONDS):
        gauge.remove(partition)


def count_ingested(camera: str, size: int, *, reconnected: bool) -> None:
    """Count a segment with video that was acknowledged.

    Args:
        camera: Its name.
        size: Bytes of video.
        reconnected: It is the first one after the camera was lost.
    """
    INGESTED_SEGMENTS.labels(camera).inc()
    INGESTED_BYTES.labels(camera).inc(size)
    if reconnected:
        RECONNECTS.labels(camera).inc()


def show_workers(*, wanted: int, running: int) -> None:
    """Show how many workers there should be, and how many answer."""
    WORKERS_WANTED.set(wanted)
    WORKERS_RUNNING.set(running)


def show_spool(camera: str, *, records: int, size: int) -> None:
    """Show how much of a live camera is not acknowledged, and how many bytes of it lie on disk."""
    SPOOL_RECORDS.labels(camera).set(records)
    SPOOL_BYTES.labels(camera).set(size)


def spool_dropped(camera: str, reason: str) -> None:
    """Count a record of a live camera that was dropped before it was sent."""
    SPOOL_DROPPED.labels(camera, reason).inc()


def count_inference(outcome: Outcome, seconds: float) -> None:
    """Count a request to Triton and the time that it took."""
    TRITON_REQUESTS.labels(outcome).inc()
    TRITON_REQUEST_SECONDS.observe(seconds)


def show_breaker(state: BreakerState) -> None:
    """Show in which state the circuit breaker before Triton is."""
    for each in BreakerState:
        TRITON_BREAKER.labels(each).set(each is state)
