"""Which frames of a segment are new, which of them are sampled, and when something was observed; imports types only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from pipeline.types import Segment

Span: TypeAlias = tuple[int, int]  # from, to (exclusive), microseconds since the epoch

_STRAY_US = 60_000_000  # a frame further from its segment's time belongs to no time at all
_GAP_US, _GAP_FRAMES = 2_000_000, 10  # a longer time between two frames was not observed


class Timeline:
    """Takes the frames of one segment in the order of their display.

    Args:
        segment: Whose frames come.
        after_us: Capture time of the camera's last frame before; None: there was none.
        fps: Sampled frames per second of stream time.
    """

    def __init__(self, segment: Segment, after_us: int | None, fps: Fraction) -> None:
        self._segment = segment
        self._fps = fps
        self._offset_us = segment.captured_us - segment.pts_us
        self._newest_us = after_us
        self._bucket = None if after_us is None else self._bucket_of(after_us - self._offset_us)
        self.spans = Spans(segment)
        self.last_us: int | None = None  # capture time of the last frame that was taken
        self.late = 0  # frames at or before the last one
        self.stray = False  # a frame was far from its segment

    def captured_us(self, pts_us: int) -> int:
        """Return the capture time of a presentation time."""
        return pts_us + self._offset_us

    def samples(self, pts_us: int) -> bool:
        """Return whether a frame is the first of a later bucket than the last frame's."""
        return self._bucket is None or self._bucket_of(pts_us) > self._bucket

    def is_new(self, pts_us: int) -> bool:
        """Return whether a frame is neither late nor far from its segment."""
        return not self._is_stray(pts_us) and not self._is_late(pts_us)

    def take(self, pts_us: int) -> bool:
        """Take note of a frame; return whether it is new."""
        if self._is_stray(pts_us):
            self.stray = True
            return False
        if self._is_late(pts_us):
            self.late += 1
            return False
        self.last_us = self._newest_us = self.captured_us(pts_us)
        self._bucket = self._bucket_of(pts_us)
        self.spans.see(self.last_us)
        return True

    def take_sampled(self, pts_us: int) -> bool:
        """Take note of a frame; return whether it is new and sampled."""
        samples = self.samples(pts_us)
        return self.take(pts_us) and samples

    def _is_stray(self, pts_us: int) -> bool:
        return abs(self.captured_us(pts_us) - self._segment.captured_us) > self._segment.duration_us + _STRAY_US

    def _is_late(self, pts_us: int) -> bool:
        return self._newest_us is not None and self.captured_us(pts_us) <= self._newest_us

    def _bucket_of(self, pts_us: int) -> int:
        return pts_us * self._fps.numerator // (1_000_000 * self._fps.denominator)


class Spans:
    """Collects when frames were seen as half-open intervals."""

    def __init__(self, segment: Segment) -> None:
        self._end_us = segment.end_us
        self._frame_us = segment.duration_us // segment.frame_count if segment.frame_count else 0
        self._tolerance_us = max(_GAP_US, _GAP_FRAMES * self._frame_us)
        self._from_us: int | None = None
        self._last_us = 0
        self.observed: tuple[Span, ...] = ()

    def see(self, captured_us: int) -> None:
        """Take a frame's capture time; they grow."""
        if self._from_us is not None and captured_us - self._last_us > self._tolerance_us:
            self.end_early()
        self._from_us = captured_us if self._from_us is None else self._from_us
        self._last_us = captured_us

    def end_early(self) -> None:
        """What follows the last frame is not observed."""
        self._close(self._last_us + self._frame_us)

    def end(self) -> None:
        """Close the last interval where the segment ends, unless that is too far from its last frame."""
        near = self._end_us - self._last_us <= self._tolerance_us
        self._close(self._end_us if near else self._last_us + self._frame_us)

    def _close(self, to_us: int) -> None:
        if self._from_us is not None and to_us > self._from_us:
            self.observed = (*self.observed, (self._from_us, to_us))
        self._from_us = None
