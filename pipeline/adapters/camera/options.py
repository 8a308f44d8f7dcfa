"""What a user may say about a source, and what every source needs; imports settings, ports and the video package."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.video.cut import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pipeline.ports import Clock
    from pipeline.settings import Settings


def _silent(message: str) -> None:
    del message


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How sources are read."""

    settings: Settings
    clock: Clock
    fps: float = 1.0  # of a folder of pictures
    start: datetime | None = None  # capture time of a recording's first frame
    pace: bool = False  # read a recording as slowly as it was made
    notice: Callable[[str], None] = field(default=_silent, repr=False)  # takes one line for the user
    stop: threading.Event = field(default_factory=threading.Event, repr=False)  # ends live sources with an END record

    def recording_limits(self) -> Limits:
        """Return the limits of a file's segments."""
        return Limits(
            target_ms=round(self.settings.segment_target_s * 1000),
            max_bytes=self.settings.segment_max_bytes,
            max_frames=self.settings.segment_max_frames,
        )

    def live_limits(self) -> Limits:
        """Return the limits of a live camera's segments."""
        return Limits(
            target_ms=round(self.settings.segment_target_s * 1000),
            max_bytes=self.settings.segment_max_bytes,
            max_ms=round(self.settings.segment_max_s * 1000),
            live=True,
        )

    def sleep(self, seconds: float) -> None:
        """Sleep, but not on when the sources are to stop."""
        until = self.clock.monotonic() + seconds
        while (rest := until - self.clock.monotonic()) > 0 and not self.stop.is_set():
            self.clock.sleep(min(rest, 0.2))
