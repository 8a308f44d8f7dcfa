from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.clock import FileClock, LiveClock


def test_a_file_starts_where_it_is_told_whatever_its_first_pts() -> None:
    clock = FileClock(1_000_000)
    assert clock.capture(7000, 8960) == 1_000_000
    assert clock.capture(9000, 10_960) == 3_000_000


def test_a_file_whose_times_step_back_goes_on_after_its_last_frame() -> None:
    clock = FileClock(0)
    clock.capture(50_000, 51_960)
    resumed = clock.capture(0, 1960)
    assert resumed == 1_961_000
    assert clock.capture(2000, 3960) == resumed + 2_000_000


@given(st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 10**5)), min_size=1, max_size=30))
def test_capture_times_of_a_file_only_grow(runs: list[tuple[int, int]]) -> None:
    clock, last_us = FileClock(0), -1
    for first_ms, length_ms in runs:
        captured_us = clock.capture(first_ms, first_ms + length_ms)
        assert captured_us > last_us
        last_us = captured_us + length_ms * 1000


def test_a_live_clock_follows_a_drifting_camera_through_jitter_and_stalls() -> None:
    """An hour at 50 ppm, 20 ms of mean jitter, stalls of 2 s."""
    dice, clock, errors_ms = random.Random(5), LiveClock(), []
    for second in range(3600):
        true_s = 1000 + second
        pts_ms = round(second * 1000 * (1 + 50e-6))
        delay_s = 2.0 if second % 300 == 299 else dice.expovariate(50)
        clock.observe(pts_ms, round((true_s + delay_s) * 1e6))
        if second >= 60:
            errors_ms.append(abs(clock.capture(pts_ms, pts_ms + 1) / 1000 - true_s * 1000))
    errors_ms.sort()
    assert errors_ms[len(errors_ms) * 99 // 100] < 10
    assert errors_ms[-1] < 30


def test_the_probing_backlog_does_not_shift_the_first_run() -> None:
    clock = LiveClock()
    for index in range(50):
        clock.observe(index * 40, max(1_100_000, index * 40_000))
    assert clock.capture(0, 1960) == 0


def test_a_camera_whose_clock_jumps_is_believed_again_and_time_still_grows() -> None:
    clock = LiveClock()
    clock.observe(0, 10_000_000)
    first_us = clock.capture(0, 960)
    clock.restart()
    clock.observe(3_600_000, 11_000_000)
    assert first_us == 10_000_000
    assert clock.capture(3_600_000, 3_600_960) == 11_000_000


def test_a_clock_says_how_far_it_corrected_a_camera() -> None:
    """Half a second is slewed by a millisecond each second; five seconds are a jump; a new connection is no correction."""
    clock = LiveClock()
    for second in range(100):
        clock.observe(second * 1000, second * 1_000_000 + (0 if second < 10 else 500_000))
        clock.capture(second * 1000, second * 1000 + 40)
    assert 20_000 < clock.corrected_us <= 100_000
    before_us = clock.corrected_us
    for second in range(200, 300):
        clock.observe(second * 1000, second * 1_000_000 + 5_500_000)
        clock.capture(second * 1000, second * 1000 + 40)
    assert clock.corrected_us - before_us > 4_000_000
    before_us = clock.corrected_us
    clock.restart()
    clock.observe(0, 900_000_000)
    clock.capture(0, 40)
    assert clock.corrected_us == before_us


def test_nothing_is_captured_before_what_a_gap_has_promised() -> None:
    clock = LiveClock()
    clock.hold(50_000_000)
    clock.observe(0, 49_000_000)
    assert clock.capture(0, 960) == 50_000_000
