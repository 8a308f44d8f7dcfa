"""1,000 damaged records between good ones, through the lanes of a worker on a real log: the good ones do not notice."""

from __future__ import annotations

import random
import resource
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from pipeline.adapters.locallog import LocalLog, LogLimits
from pipeline.adapters.locallog.shelf import LocalShelf
from pipeline.errors import InvalidRecordError
from pipeline.record import to_record, to_segment
from pipeline.settings import Settings
from pipeline.types import SegmentKind
from pipeline.worker import Worker
from tests.apart import run_apart
from tests.clips import CODECS, make_clip
from tests.clocks import SteppedClock
from tests.mutations import MUTATIONS, Mutant, mutants
from tests.people import Person, segments
from tests.sources import read, videos
from tests.workbench import Bench

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import CoverageMinute, Record, Segment, Visit

DAMAGED = 1000
PARTITIONS = 3
LIMITS = LogLimits(partitions=PARTITIONS, retention_s=10**6, max_bytes=2**30, max_record_bytes=2**20)
LIMIT_KIB = 300 * 1024
GOOD = [UUID(int=number) for number in range(1, PARTITIONS + 1)]
VIDEO_REASONS = {"bad_time", "not_openable", "picture_too_large", "decode_error", "no_frames"}
PEOPLE = (Person(hue=0, from_frame=5, to_frame=70, x=10, speed=3), Person(hue=2, from_frame=40, to_frame=95, x=230, y=150, speed=-3))


@dataclass(frozen=True)
class Outcome:
    """What a worker made of a log."""

    bench: Bench
    log: LocalLog

    def visits(self) -> list[Visit]:
        found = [visit for visit in self.bench.database.visits if visit.camera_id in GOOD]
        return sorted(found, key=lambda visit: (visit.camera_id, visit.visit_id))

    def minutes(self) -> list[CoverageMinute]:
        return [minute for result in self.bench.database.results for minute in result.coverage]

    def seen(self) -> Counter[tuple[UUID, str]]:
        """What was counted of the good cameras, apart from how it fell into batches."""
        counted: Counter[tuple[UUID, str]] = Counter()
        for minute in self.minutes():
            if minute.camera_id in GOOD:
                for name in ("segments", "frames_decoded", "frames_analysed", "detections"):
                    counted[minute.camera_id, name] += getattr(minute, name)
                counted.update({(minute.camera_id, reason): n for reason, n in minute.rejected.items()})
        return counted

    def seconds(self) -> dict[tuple[UUID, str], int]:
        observed: dict[tuple[UUID, str], int] = {}
        for minute in self.minutes():
            if minute.camera_id in GOOD:
                key = (minute.camera_id, minute.minute.isoformat())
                observed[key] = observed.get(key, 0) | minute.seconds
        return observed


def work(log: LocalLog, per_partition: list[list[Record]]) -> Outcome:
    """Append the records and analyse them all."""
    for partition, records in enumerate(per_partition):
        for record in records:
            log.append(partition, record)
    bench = Bench(partitions=PARTITIONS, settings=Settings(commit_segments=16, renew_s=0.01, lanes=2, max_pixels=10**6))
    equipment = replace(bench.equipment, log=log, shelf=LocalShelf(log))
    fed = threading.Event()
    fed.set()
    Worker(bench.claims, equipment).run(until_end=fed)
    return Outcome(bench, log)


def interleaved(good: list[Record], bad: list[Record]) -> list[Record]:
    """Return both, the bad ones between the good."""
    share = -(-len(bad) // len(good))
    return [record for at, one in enumerate(good) for record in (one, *bad[at * share : (at + 1) * share])]


def damaged(folder: Path) -> list[Mutant]:
    """Return damaged records of cameras of their own, one for each codec; each camera's lie in all partitions, so that lanes share it."""
    originals: list[Segment] = []
    for name in ("h264-b", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1"):
        (first, *_) = videos(read(make_clip(folder / name, replace(CODECS[name], frames=12))))
        originals.append(replace(first, camera_id=uuid5(GOOD[0], name)))
    return mutants(originals, DAMAGED, random.Random(20260102))


def test_each_is_set_aside_or_processed_and_the_good_ones_do_not_notice(tmp_path: Path) -> None:
    run_apart(analyse, tmp_path)


def analyse(folder: Path) -> None:
    bad = damaged(folder)
    good = [[to_record(segment) for segment in segments(folder / f"{camera}.mp4", PEOPLE, 120, camera)] for camera in GOOD]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mixed = [interleaved(items, [mutant.record for mutant in bad[number::PARTITIONS]]) for number, items in enumerate(good)]
    with (
        LocalLog(folder / "good", clock=SteppedClock(), limits=LIMITS) as calm_log,
        LocalLog(folder / "mixed", clock=SteppedClock(), limits=LIMITS) as log,
    ):
        calm, wild = work(calm_log, good), work(log, mixed)
        assert wild.bench.database.positions == [len(records) for records in mixed]
        assert len(wild.visits()) == PARTITIONS * len(PEOPLE)
        assert wild.visits() == calm.visits()
        assert (wild.seen(), wild.seconds()) == (calm.seen(), calm.seconds())
        check_letters(wild, mixed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < LIMIT_KIB


def check_letters(outcome: Outcome, per_partition: list[list[Record]]) -> None:
    """Check that each record that is no segment was set aside for its reason, and each other one looked at; and that all bytes are kept."""
    letters = {(letter.partition, letter.offset): letter.reason for letter in outcome.bench.database.dead_letters}
    assert len(letters) == len(outcome.bench.database.dead_letters)
    looked_at = 0
    for partition, records in enumerate(per_partition):
        for offset, record in enumerate(records):
            reason = letters.pop((partition, offset), None)
            if reason is not None:
                assert LocalShelf(outcome.log).find(partition, offset) == record
            expected = reason_of(record)
            if expected is None:
                looked_at += to_segment(record).kind is SegmentKind.GOP
                assert reason is None or reason in VIDEO_REASONS
            else:
                assert reason == expected
    assert not letters
    repeats = sum(minute.rejected.get("repeat", 0) for minute in outcome.minutes())
    assert sum(minute.segments for minute in outcome.minutes()) + repeats == looked_at


def reason_of(record: Record) -> str | None:
    """Return why a record is no segment; None: it is one."""
    try:
        to_segment(record)
    except InvalidRecordError as error:
        return error.reason
    return None


def test_the_damage_is_of_every_kind_and_does_what_it_says(tmp_path: Path) -> None:
    bad = damaged(tmp_path)
    assert {mutant.kind for mutant in bad} == set(MUTATIONS)
    reasons = Counter(reason_of(mutant.record) for mutant in bad)
    assert set(reasons) == {None, "bad_header", "checksum", "unknown_version"}
    assert all(number >= DAMAGED // 50 for number in reasons.values()), reasons
    assert len({mutant.record.value for mutant in bad}) > DAMAGED // 3
