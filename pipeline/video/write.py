"""Numbers and dates runs and makes segments of them; imports types, ports and its own package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.types import Segment, SegmentKind
from pipeline.video.mux import mux

if TYPE_CHECKING:
    from pipeline.ports import SourcePosition
    from pipeline.video.clock import CaptureClock
    from pipeline.video.mux import ShapedRun


@dataclass(slots=True, kw_only=True)
class SegmentWriter:
    """Makes the segments of one session, from a position on."""

    position: SourcePosition
    clock: CaptureClock
    next_sequence: int = 0
    end_us: int = 0  # where the last run ended, microseconds since the epoch
    reconnected: bool = False  # the next run is the first one after a loss

    def write(self, shaped: ShapedRun) -> Segment | None:
        """Return the run's segment, or None where it lies before the position."""
        run, sequence = shaped.run, self._take_sequence()
        captured_us = self.clock.capture(run.first_ms, run.last_ms)
        duration_us = (run.end_ms - run.first_ms) * 1000
        self.end_us = captured_us + duration_us
        reconnected, self.reconnected = self.reconnected, False
        if sequence < self.position.next_sequence:
            return None
        return Segment(
            camera_id=self.position.camera_id,
            session=self.position.session,
            sequence=sequence,
            kind=SegmentKind.GOP,
            captured_us=captured_us,
            pts_us=run.first_ms * 1000,
            duration_us=duration_us,
            codec=shaped.shape.codec,
            width_px=shaped.shape.width_px,
            height_px=shaped.shape.height_px,
            frame_count=run.frame_count,
            reconnected=reconnected,
            payload=mux(shaped),
        )

    def gap(self, until_us: int) -> Segment:
        """Return the record that says: no frame before `until_us` will follow."""
        return self._bare(SegmentKind.GAP, until_us)

    def end(self) -> Segment:
        """Return the record that ends the session where its last frame ended."""
        return self._bare(SegmentKind.END, self.end_us)

    def _bare(self, kind: SegmentKind, captured_us: int) -> Segment:
        return Segment(
            camera_id=self.position.camera_id,
            session=self.position.session,
            sequence=self._take_sequence(),
            kind=kind,
            captured_us=captured_us,
        )

    def _take_sequence(self) -> int:
        self.next_sequence += 1
        return self.next_sequence - 1
