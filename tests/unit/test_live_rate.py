from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.camera.live_rate import FrameRate
from pipeline.video.clock import LiveClock

LEAST_S = 10.0
ARRIVED_US = 1_800_000_000_000_000


def seen(*pts_ms: int) -> FrameRate:
    rate = FrameRate()
    for instant_ms in pts_ms:
        rate.see(instant_ms)
    return rate


def test_nothing_is_known_of_the_first_frames() -> None:
    assert seen(0, 40).interval_ms is None
    assert seen(0, 40).stalled_after_s(LEAST_S) == LEAST_S


@pytest.mark.parametrize(("interval_ms", "stalled_s"), [(40, 10.0), (1000, 10.0), (5000, 15.0), (60_000, 60.0)])
def test_the_patience_follows_the_rate(interval_ms: int, stalled_s: float) -> None:
    assert seen(*(index * interval_ms for index in range(12))).stalled_after_s(LEAST_S) == stalled_s


@given(st.integers(1, 5000), st.integers(-(10**9), 10**9))
def test_a_jump_or_a_lost_frame_changes_no_rate(interval_ms: int, jump_ms: int) -> None:
    before = [index * interval_ms for index in range(8)]
    assert seen(*before, *(before[-1] + jump_ms + index * interval_ms for index in range(8))).interval_ms == interval_ms


def test_a_new_connection_is_no_step() -> None:
    rate = seen(0, 40, 80)
    rate.restart()
    rate.see(5_000_000)
    rate.see(5_000_040)
    assert rate.interval_ms == 40


@given(st.integers(-(10**7), 10**7), st.integers(20, 2000))
def test_capture_time_only_grows_over_a_jump_and_follows_arrivals_behind_it(jump_ms: int, step_ms: int) -> None:
    clock, captured = LiveClock(), []
    for index in range(60):
        pts_ms = index * step_ms + (jump_ms if index >= 30 else 0)
        clock.observe(pts_ms, ARRIVED_US + index * step_ms * 1000)
        captured.append(clock.capture(pts_ms, pts_ms))
    assert all(later > before for before, later in pairwise(captured))
    if abs(jump_ms) > 2000 + step_ms:
        assert captured[-1] == ARRIVED_US + 59 * step_ms * 1000
