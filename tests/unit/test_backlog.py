from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.backlog import Backlog


@given(sizes=st.lists(st.integers(0, 50)), limit=st.integers(0, 100))
def test_what_is_held_counts_before_it_is_in_the_log(sizes: list[int], limit: int) -> None:
    backlog = Backlog(limit)
    held = [size for size in sizes if backlog.hold(0, size)]
    assert sum(held) <= limit + 50
    assert held == sizes or sum(held) > limit


@given(order=st.permutations(range(8)), position=st.integers(0, 8))
def test_whatever_the_order_in_which_threads_are_told_what_is_committed_is_free(order: list[int], position: int) -> None:
    backlog = Backlog(7)
    assert all(backlog.hold(0, 1) for _ in order)
    for offset in order:
        backlog.appended(0, 1, offset)
    assert not backlog.hold(0, 1)
    assert backlog.committed(0, position) == (position > 0)
    assert [backlog.hold(0, 1) for _ in range(position)] == [True] * position
    assert not backlog.hold(0, 1)


def test_what_was_dropped_and_what_lies_in_another_partition_takes_no_room() -> None:
    backlog = Backlog(0)
    assert backlog.hold(0, 5)
    assert not backlog.hold(0, 5)
    assert backlog.hold(1, 5)
    backlog.dropped(0, 5)
    assert backlog.hold(0, 5)


def test_offsets_with_holes_are_free_once_the_position_is_beyond_them() -> None:
    backlog = Backlog(2)
    for offset in (3, 10, 11):  # others write the partition too
        assert backlog.hold(0, 1)
        backlog.appended(0, 1, offset)
    assert not backlog.committed(0, 3)
    assert not backlog.hold(0, 1)
    assert backlog.committed(0, 7)
    assert backlog.hold(0, 1)
    assert not backlog.committed(0, 10)
    assert backlog.committed(0, 500)
    assert backlog.committed(0, 500) is False
