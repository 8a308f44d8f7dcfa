"""What becomes of dead letters on their way through a lane: kept on the shelf, and a reason to stop where they do not end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError, InvalidRecordError, LogUnavailableError, TooManyDeadLettersError
from pipeline.record import to_record
from pipeline.settings import Settings
from pipeline.types import Segment, SegmentKind
from tests.fake_database import LOST, MemoryClaims, MemoryFacts
from tests.metered import metered
from tests.people import records, segments
from tests.workbench import UNREADABLE, Bench, each

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Record


def garbage(camera: int, sequence: int) -> Record:
    """Return a record with headers that can be read and video that cannot."""
    return to_record(
        Segment(camera_id=UUID(int=camera), session=1, sequence=sequence, kind=SegmentKind.GOP, captured_us=sequence, payload=b"no video")
    )


def test_the_bytes_are_kept_before_the_batch_is_committed() -> None:
    bench = Bench().fill(3)

    def look(point: str) -> None:
        if point == "before_commit":
            assert len(bench.shelf.kept) > len(bench.database.dead_letters)

    bench.on_point = look
    bench.run_to_the_end()
    assert bench.shelf.kept == dict.fromkeys(each(3), (UNREADABLE, "bad_header"))


def test_nothing_that_could_be_used_is_kept(tmp_path: Path) -> None:
    bench = Bench()
    for record in [*records(segments(tmp_path / "street.mp4", [], 10, UUID(int=1))), garbage(2, 0)]:
        bench.log.append(0, record)
    bench.run_to_the_end()
    assert list(bench.shelf.kept) == bench.offsets == [(0, 2)]


@pytest.mark.parametrize("refusals", [1, 7])
def test_a_shelf_that_is_away_is_waited_for(refusals: int) -> None:
    bench = Bench().fill(3)
    bench.shelf.refusals = deque([LogUnavailableError("the brokers do not answer")] * refusals)
    before = metered("headcount_dead_letters_kept_total"), metered("headcount_dead_letters_not_kept_total")
    bench.run_to_the_end()
    assert sorted(bench.shelf.kept) == bench.offsets == each(3)
    after = metered("headcount_dead_letters_kept_total"), metered("headcount_dead_letters_not_kept_total")
    assert (after[0] - before[0], after[1] - before[1]) == (3, 0)


@pytest.mark.parametrize("refusal", [ConfigurationError("no permission to WRITE"), InvalidRecordError("too_large")])
def test_a_shelf_that_refuses_does_not_hold_the_work_up(refusal: ConfigurationError | InvalidRecordError) -> None:
    bench = Bench().fill(3)
    bench.shelf.refusals.append(refusal)
    before = metered("headcount_dead_letters_not_kept_total")
    bench.run_to_the_end()
    assert bench.offsets == each(3)
    assert sorted(bench.shelf.kept) == each(3)[1:]
    assert metered("headcount_dead_letters_not_kept_total") == before + 1


def endless(bench: Bench, sequences: int = 10) -> Bench:
    """Fill the log with records of three cameras that cannot be used."""
    for sequence in range(sequences):
        for camera in (1, 2, 3):
            bench.log.append(0, garbage(camera, sequence))
    return bench


def tolerant_of(records_in_a_row: int) -> Settings:
    return Settings(commit_segments=2, renew_s=0.01, dead_letters_in_a_row=records_in_a_row)


def test_too_many_in_a_row_stop_the_worker_and_what_made_them_full_is_not_stored() -> None:
    bench = endless(Bench(settings=tolerant_of(7)))
    with pytest.raises(TooManyDeadLettersError, match="7 records in a row"):
        bench.run_to_the_end()
    assert bench.offsets == each(6)
    assert bench.database.positions == [6]


def test_a_worker_that_is_started_again_stops_again_and_nothing_is_lost() -> None:
    bench = endless(Bench(settings=tolerant_of(7)))
    for incarnation in range(5):
        bench.claims = MemoryClaims(bench.database, f"a:{incarnation}")
        bench.facts = MemoryFacts(bench.database, f"a:{incarnation}")
        with pytest.raises(TooManyDeadLettersError):
            bench.run_to_the_end()
        bench.stop.clear()
        assert bench.database.positions == [6]
        assert bench.database.partitions[0].crashes == 0, "a stop in good order is no death"
    assert bench.offsets == each(6)
    bench.settings = tolerant_of(1000)
    bench.run_to_the_end()
    assert bench.offsets == each(30)


def test_it_is_no_death_in_careful_mode_either() -> None:
    bench = endless(Bench(settings=Settings(commit_segments=10, dead_letters_in_a_row=3)))
    bench.database.partitions[0].crashes = 3
    with pytest.raises(TooManyDeadLettersError):
        bench.run_to_the_end()
    partition = bench.database.partitions[0]
    assert (partition.holder, partition.crashes, partition.suspect_count) == (None, 3, 0)
    assert bench.offsets == each(2)


def test_a_batch_that_was_lost_counts_once() -> None:
    bench = endless(Bench(settings=tolerant_of(31)))
    bench.facts.broken = deque([LOST] * 9)
    bench.run_to_the_end()
    assert bench.offsets == each(30)


def test_one_camera_that_sends_garbage_for_ever_stops_nobody() -> None:
    bench = Bench(partitions=2, settings=tolerant_of(4))
    for sequence in range(50):
        bench.log.append(0, garbage(1, sequence))
    bench.log.append(1, garbage(2, 0))
    bench.run_to_the_end()
    assert bench.offsets == each(50, 1)
