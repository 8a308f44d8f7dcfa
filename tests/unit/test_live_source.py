"""A live source without a network."""

from __future__ import annotations

from tests.live import Watch


def test_a_camera_that_is_stopped_before_its_first_segment_sends_nothing() -> None:
    watch = Watch(url="rtsp://127.0.0.1:9/door")
    watch.stop.set()
    assert watch.read() == []
