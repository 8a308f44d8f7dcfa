"""A thousand damaged records among good ones, in the same partitions of a topic: the good ones' rows are as ever."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import psutil
import pytest
from kafka import KafkaProducer

from tests.clips import CODECS, make_clip
from tests.e2e.command import finish
from tests.e2e.manifest import in_topic
from tests.e2e.rows import Stored, ask, stored
from tests.mutations import mutants
from tests.sources import read, videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.types import Record, Segment
    from tests.e2e.command import Program
    from tests.e2e.conftest import Fed
    from tests.e2e.servers import Servers

MUTANTS = 1000
SEED = 20260105
STRANGERS = (UUID(int=101), UUID(int=102), UUID(int=103))  # cameras that send nothing but garbage
MOST_BYTES = 450 * 2**20  # 300 were seen, most of them libraries and models
LOOK_S = 0.1
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What a worker made of the topic."""

    code: int
    peak_bytes: int
    program: Program
    database_url: str
    rows: Stored


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    """Good segments of the strangers, in every codec."""
    folder = tmp_path_factory.mktemp("originals")
    names = ("h264-b", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1")
    segments = [videos(read(make_clip(folder / name, replace(CODECS[name], frames=12))))[0] for name in names]
    return [replace(segment, camera_id=STRANGERS[index % len(STRANGERS)]) for index, segment in enumerate(segments)]


@pytest.fixture(scope="module")
def analysed(
    fed_kafka: Fed, originals: list[Segment], servers: Servers, new_migrated_database: Callable[[], str], server_dir: Path
) -> Analysed:
    """Copy the fed topic, put garbage between its records, and analyse it from the beginning."""
    fed = in_topic(servers.bootstrap, fed_kafka.program.settings["kafka_topic"])
    garbage = [mutant.record for mutant in mutants(originals, MUTANTS, random.Random(SEED))]
    url = new_migrated_database()
    program = fed_kafka.program.with_settings(
        commit_segments=16, data_dir=server_dir / "garbage", database_url=url, dead_letters_in_a_row=MUTANTS
    )
    program = servers.column(program, partitions=len(fed))
    share = len(garbage) // len(fed)
    for partition, good in fed.items():
        mixed = interleaved(good, garbage[partition * share : (partition + 1) * share])
        send(servers.bootstrap, program.settings["kafka_topic"], partition, mixed)
    code, peak_bytes = run_watched(program, server_dir / "garbage.said")
    return Analysed(code=code, peak_bytes=peak_bytes, program=program, database_url=url, rows=stored(url))


def interleaved(good: Sequence[Record], garbage: Sequence[Record]) -> Iterable[Record]:
    """Yield garbage, and a good record now and then, so that there is garbage before, between and after them."""
    every = len(garbage) // (len(good) + 1)
    for index, record in enumerate(garbage):
        yield record
        if index % every == every - 1 and index // every < len(good):
            yield good[index // every]


def send(bootstrap: str, topic: str, partition: int, records: Iterable[Record]) -> None:
    """Write records as they are."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=False, acks="all", max_request_size=2**24)
    for record in records:
        producer.send(topic, value=record.value, headers=list(record.headers), partition=partition).get(timeout=30)
    producer.close()


def run_watched(program: Program, written: Path) -> tuple[int, int]:
    """Run a worker to the end of the log; return its exit code, and the most memory that it had."""
    with written.open("w") as file:  # it says more than a pipe holds
        process = program.start("worker", "--until-end", written=file)
        peak, until_s = 0, time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < until_s:
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            time.sleep(LOOK_S)
        return finish(process).code, peak


def test_it_is_read_to_the_end_in_bounded_memory(analysed: Analysed, servers: Servers) -> None:
    assert analysed.code == 0
    ends = {number: len(records) for number, records in in_topic(servers.bootstrap, analysed.program.settings["kafka_topic"]).items()}
    assert sum(ends.values()) > MUTANTS
    assert dict(analysed.rows.exact["positions"]) == ends
    assert analysed.peak_bytes < MOST_BYTES


def test_the_good_records_rows_are_as_ever(analysed: Analysed, undisturbed_kafka: Stored) -> None:
    strangers = {str(stranger) for stranger in STRANGERS}
    for what in ("visits", "coverage", "rejected"):
        found = [row for row in analysed.rows.exact[what] if strangers.isdisjoint(map(str, row))]
        assert found == undisturbed_kafka.exact[what], what


def test_what_could_not_be_used_is_told_and_its_bytes_are_kept(analysed: Analysed, servers: Servers) -> None:
    letters = ask(analysed.database_url, "SELECT DISTINCT partition, log_offset, reason FROM dead_letter")
    reasons = Counter(reason for _, _, reason in letters)
    assert len(letters) > MUTANTS / 2
    assert len(reasons) > 5, reasons
    kept = in_topic(servers.bootstrap, analysed.program.settings["kafka_topic"] + "-deadletters")
    assert sum(map(len, kept.values())) >= len({(partition, offset) for partition, offset, _ in letters})
