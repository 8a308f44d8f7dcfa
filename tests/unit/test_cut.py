from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import av
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.cut import Cutter, Limits, Run, Unit

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

FRAME_MS = 40
LIMITS = Limits(target_ms=2000, max_bytes=10_000, max_frames=750)


def unit(pts_ms: int | None, *, key: bool = False, size: int = 10) -> Unit:
    return Unit(packet=cast("Packet[VideoStream]", av.Packet()), pts_ms=pts_ms, key=key, size=size)


def cut(units: list[Unit], limits: Limits = LIMITS) -> list[Run]:
    cutter = Cutter(limits, FRAME_MS)
    return [run for one in units for run in cutter.push(one)] + cutter.finish()


def steady(seconds: float, gop: int, size: int = 10) -> list[Unit]:
    return [unit(index * FRAME_MS, key=index % gop == 0, size=size) for index in range(round(seconds * 25))]


def spans(runs: list[Run]) -> list[tuple[int, int]]:
    return [(run.first_ms, run.end_ms) for run in runs]


def test_a_run_closes_at_the_first_keyframe_after_the_target() -> None:
    assert spans(cut(steady(7, gop=25))) == [(0, 2000), (2000, 4000), (4000, 6000), (6000, 7000)]
    assert spans(cut(steady(7, gop=30))) == [(0, 2400), (2400, 4800), (4800, 7000)]


def test_packets_before_the_first_keyframe_are_dropped() -> None:
    cutter = Cutter(LIMITS, FRAME_MS)
    assert [run for one in (unit(0), unit(40), unit(80, key=True)) for run in cutter.push(one)] == []
    assert (cutter.dropped, spans(cutter.finish())) == (2, [(80, 120)])


def test_leading_frames_go_with_their_keyframe_and_do_not_count() -> None:
    (run,) = cut([unit(120, key=True), unit(40), unit(80), unit(160)])
    assert (run.first_ms, run.end_ms, run.frame_count, len(run.units)) == (120, 200, 2, 4)


def test_the_first_packet_of_a_connection_gets_the_time_before_the_others() -> None:
    (run,) = cut([unit(None, key=True), unit(120), unit(80), unit(160)])
    assert [one.pts_ms for one in run.units] == [40, 120, 80, 160]


def test_a_lone_keyframe_without_time_stands_before_the_next() -> None:
    (run,) = cut([unit(None, key=True), unit(1000, key=True)])
    assert [one.pts_ms for one in run.units] == [960, 1000]


def test_a_missing_time_later_is_one_frame_on() -> None:
    (run,) = cut([unit(0, key=True), unit(None), unit(80)])
    assert [one.pts_ms for one in run.units] == [0, 40, 80]


def test_a_step_back_ends_the_run_and_waits_for_a_keyframe() -> None:
    runs = cut([unit(90_000, key=True), unit(90_040), unit(0), unit(40), unit(80, key=True)])
    assert spans(runs) == [(90_000, 90_080), (80, 120)]


def test_a_keyframe_that_repeats_its_time_begins_anew() -> None:
    assert spans(cut([unit(0, key=True), unit(0, key=True)])) == [(0, 40), (0, 40)]


def test_a_long_pause_before_a_keyframe_ends_the_run_at_its_last_frame() -> None:
    assert spans(cut([unit(0, key=True), unit(40), unit(9000, key=True)])) == [(0, 80), (9000, 9040)]


def test_a_pause_inside_a_group_is_lost_packets_only_when_live() -> None:
    units = [unit(0, key=True), unit(40), unit(9000), unit(9040, key=True)]
    assert spans(cut(units)) == [(0, 9040), (9040, 9080)]
    live = Limits(target_ms=2000, max_bytes=10_000, max_ms=30_000, live=True)
    assert spans(cut(units, live)) == [(0, 80), (9040, 9080)]


def test_an_endless_group_comes_in_oversize_pieces() -> None:
    runs = cut(steady(8, gop=10_000, size=100))
    assert [(run.oversize, run.continues) for run in runs] == [(True, False), (True, True)]
    assert sum(len(run.units) for run in runs) == 200


def test_whole_groups_before_an_endless_one_stay_whole() -> None:
    units = [unit(0, key=True), unit(40), unit(80, key=True)] + [unit(80 + FRAME_MS * n, size=100) for n in range(1, 150)]
    runs = cut(units)
    assert (runs[0].oversize, len(runs[0].units), runs[0].end_ms) == (False, 2, 80)
    assert all(run.oversize for run in runs[1:])


def test_a_live_group_that_lasts_too_long_is_oversize() -> None:
    live = Limits(target_ms=2000, max_bytes=10**9, max_ms=4000, live=True)
    assert cut(steady(5, gop=1000), live)[0].oversize
    assert not any(run.oversize for run in cut(steady(5, gop=90), live))


STREAMS = st.lists(
    st.builds(unit, st.none() | st.integers(-5_000, 60_000), key=st.booleans(), size=st.integers(1, 6000)), min_size=1, max_size=80
)


@given(STREAMS, st.booleans())
def test_any_stream_is_cut_into_bounded_runs_that_start_at_keyframes(units: list[Unit], live: bool) -> None:  # noqa: FBT001 - drawn
    limits = Limits(target_ms=2000, max_bytes=10_000, max_frames=20, max_ms=30_000 if live else None, live=live)
    runs = cut(units, limits)
    for run in runs:
        assert run.continues or run.units[0].key
        assert all(one.pts_ms is not None for one in run.units)
        assert run.end_ms > run.first_ms or run.oversize
        if not run.oversize:
            assert sum(one.size for one in run.units) <= limits.max_bytes
            assert len(run.units) <= 20


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 900)), min_size=1, max_size=100))
def test_an_ordinary_stream_loses_nothing_and_its_runs_adjoin(frames: list[tuple[bool, int]]) -> None:
    units = [unit(index * FRAME_MS, key=key or index == 0, size=size) for index, (key, size) in enumerate(frames)]
    runs = cut(units)
    assert [one.pts_ms for run in runs for one in run.units] == [one.pts_ms for one in units]
    assert all(before.end_ms == after.first_ms for before, after in pairwise(runs) if not before.oversize)
