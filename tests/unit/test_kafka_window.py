"""What is held of a partition between brokers and reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.kafka.window import Window
from pipeline.types import Record, StoredRecord

SIZE = 100
EVERYTHING = 2**30
LATER = float("inf")


def stored(*offsets: int) -> list[StoredRecord]:
    return [
        StoredRecord(partition=0, offset=offset, record=Record(headers=(), value=bytes(SIZE)), appended_us=offset * 10)
        for offset in offsets
    ]


def window(*offsets: int, begin: int = 0) -> Window:
    window = Window(0, begin, asked_s=0.0)
    window.seek_to = None
    window.add(stored(*offsets), fetched_s=1.0)
    return window


def offsets(records: list[StoredRecord]) -> list[int]:
    return [record.offset for record in records]


def test_what_was_taken_can_be_taken_again_until_what_follows_is_asked_for() -> None:
    held = window(0, 1, 2)
    assert offsets(held.take(2 * SIZE, LATER)) == [0, 1]
    assert (held.size, held.unread) == (3 * SIZE, SIZE)
    held.ask(0)
    assert offsets(held.take(EVERYTHING, LATER)) == [0, 1, 2]
    held.ask(2)
    assert (held.size, held.unread, held.seek_to) == (SIZE, 0, None)
    assert offsets(held.take(EVERYTHING, LATER)) == [2]


def test_what_lies_outside_is_fetched_anew() -> None:
    for offset in (4, 9):  # before what is held, and behind it
        held = window(5, 6, begin=5)
        held.ask(offset)
        assert (held.seek_to, held.position, held.size, held.unread) == (offset, offset, 0, 0)
        assert not held.has(LATER)


def test_the_end_is_not_outside() -> None:
    held = window(5, 6, begin=5)
    held.ask(7)
    assert (held.seek_to, held.size) == (None, 0)


def test_holes_are_stepped_over() -> None:
    held = window(3, 8)
    held.ask(1)
    assert offsets(held.take(EVERYTHING, LATER)) == [3, 8]
    held.ask(4)
    assert offsets(held.take(EVERYTHING, LATER)) == [8]


def test_a_record_larger_than_asked_for_comes_alone() -> None:
    assert offsets(window(0, 1).take(1, LATER)) == [0]


def test_what_was_fetched_after_the_last_look_at_the_topic_is_not_handed_out() -> None:
    held = window(0)
    held.add(stored(1), fetched_s=2.0)
    assert offsets(held.take(EVERYTHING, 1.5)) == [0]
    assert not held.has(0.5)
    assert held.take(EVERYTHING, 0.5) == []


def test_the_stamp_of_what_is_held_is_known() -> None:
    held = window(3, 8)
    assert [held.stamp(offset) for offset in (0, 3, 4, 8, 9)] == [30, 30, 80, 80, None]


def test_letting_go_begins_where_the_reader_is() -> None:
    held = window(0, 1, 2)
    held.ask(1)
    held.restart()
    assert (held.seek_to, held.position, held.size) == (1, 1, 0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "take", "add", "restart"]), st.integers(0, 12)), max_size=40))
def test_a_reader_gets_each_record_in_order_and_the_bytes_are_counted_right(steps: list[tuple[str, int]]) -> None:
    log = stored(*range(20))
    held = Window(0, 0, asked_s=0.0)
    wanted = 0
    for step, number in steps:
        if step == "ask":
            wanted = number
            held.ask(wanted)
        elif step == "restart":
            held.restart()
        elif step == "take":
            held.ask(wanted)
            taken = held.take(number * SIZE, LATER)
            assert offsets(taken) == list(range(wanted, wanted + len(taken)))
        else:
            if held.seek_to is not None:
                assert held.seek_to == held.position
                held.seek_to = None
            held.add(log[held.position : held.position + number % 5], fetched_s=0.0)
        assert held.size % SIZE == held.unread % SIZE == 0
        assert 0 <= held.unread <= held.size <= 20 * SIZE
    held.ask(wanted)
    held.seek_to = None
    if not held.size:
        held.add(log[held.position :], fetched_s=0.0)
    assert offsets(held.take(1, LATER)) == [wanted]
