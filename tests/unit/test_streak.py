"""When records in a row that cannot be used stop a worker: `a`, `b`, `c` are letters of cameras, `?` of nobody knows whom, `.` is used."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TooManyDeadLettersError
from pipeline.streak import Streak
from pipeline.types import DeadLetter
from tests.metered import metered

LIMIT = 6


def outcomes(text: str, partition: int = 0) -> list[DeadLetter | None]:
    """Return what became of a row of records."""
    cameras = {mark: UUID(int=ord(mark)) for mark in "abcdefgh"}
    return [
        None if mark == "." else DeadLetter(partition=partition, offset=offset, reason=f"of_{mark}", camera_id=cameras.get(mark))
        for offset, mark in enumerate(text)
    ]


def stops(text: str, limit: int = LIMIT, batch: int = 1) -> bool:
    """Work through a row of records, batch by batch; say whether that ends before it is done."""
    streak, row = Streak(), outcomes(text)
    for first in range(0, len(row), batch):
        try:
            streak.check(row[first : first + batch], 0, limit)
        except TooManyDeadLettersError:
            return True
        streak.store(row[first : first + batch], 0)
    return False


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aaabbb", True),
        ("ababab", True),
        ("??????", True),
        ("aaa???", True),
        ("?????", False),
        ("aaabb.b", False),
        ("aaab.bbaa", False),
        ("a" * 100, False),
        ("a" * 100 + "bb", False),
        ("a" * 100 + "bbb", True),
        ("." * 50 + "abcdef", True),
        ("?????.?????", False),
    ],
)
def test_a_row_of_letters_stops_where_no_single_camera_explains_it(text: str, expected: bool, batch: int) -> None:  # noqa: FBT001 - a parameter of the test
    assert stops(text, batch=batch) == expected


@given(st.text("ab?.", max_size=30), st.integers(1, 8), st.integers(1, 8))
def test_how_records_fall_into_batches_changes_nothing(text: str, limit: int, batch: int) -> None:
    assert stops(text, limit, batch) == stops(text, limit)


@given(st.text("a.", max_size=60), st.integers(1, 8))
def test_one_camera_alone_stops_nobody(text: str, limit: int) -> None:
    assert not stops(text, limit)


def test_the_partitions_of_a_worker_count_together_until_one_is_used() -> None:
    streak = Streak()
    for partition, mark in enumerate("abcde"):
        streak.store(outcomes(mark, partition), partition)
    with pytest.raises(TooManyDeadLettersError):
        streak.check(outcomes("f", 5), 5, LIMIT)
    streak.store([None], 7)
    streak.check(outcomes("f", 5), 5, LIMIT)


def test_what_earlier_holders_stored_counts_once_however_often_the_partition_is_claimed() -> None:
    streak = Streak()
    for _ in range(3):
        streak.resume(0, [letter for letter in outcomes("aab") if letter])
    streak.check(outcomes("ab"), 0, LIMIT)
    with pytest.raises(TooManyDeadLettersError):
        streak.check(outcomes("abb"), 0, LIMIT)


def test_the_error_says_how_many_why_where_and_what_to_do() -> None:
    with pytest.raises(TooManyDeadLettersError) as raised:
        Streak().check(outcomes("aaa???", 3), 3, LIMIT)
    message = str(raised.value)
    for part in ("6 records", "of_a 3, of_? 3", "offset 5 of partition 3", "HEADCOUNT_DEAD_LETTERS_IN_A_ROW", "deadletters list"):
        assert part in message
    assert "\n" not in message
    assert raised.value.exit_code == 2


def test_the_length_is_shown() -> None:
    streak = Streak()
    streak.store(outcomes("aab"), 0)
    assert metered("headcount_dead_letter_streak") == 3
    streak.store(outcomes("."), 0)
    assert metered("headcount_dead_letter_streak") == 0
