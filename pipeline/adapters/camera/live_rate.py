"""How fast a live stream really comes, and so how long its silence is normal; imports nothing of ours."""

from __future__ import annotations

from collections import deque
from statistics import median

_STEPS = 9  # enough for a median that a lost packet or a jump of the camera's clock does not move
_LEAST_STEPS = 2
_STALLED_FRAMES = 3
_LONGEST_MS = 20_000


class FrameRate:
    """Measures a camera by its own timestamps, over all of its connections.

    Containers are not believed: FFmpeg repeats what the parameter sets say, and a camera that sends a frame a second says 25 there.
    """

    def __init__(self) -> None:
        self._steps_ms: deque[int] = deque(maxlen=_STEPS)
        self._last_ms: int | None = None

    @property
    def interval_ms(self) -> int | None:
        """Milliseconds from frame to frame, None while that is not known."""
        return min(_LONGEST_MS, round(median(self._steps_ms))) if len(self._steps_ms) >= _LEAST_STEPS else None

    def stalled_after_s(self, least_s: float) -> float:
        """Return after how many seconds of silence the stream counts as stalled: never before `least_s`."""
        return max(least_s, _STALLED_FRAMES * (self.interval_ms or 0) / 1000)

    def restart(self) -> None:
        """Begin a connection: its timestamps have nothing to do with the last one's."""
        self._last_ms = None

    def see(self, pts_ms: int) -> None:
        """Take a frame's presentation time, in decode order."""
        if self._last_ms is not None and pts_ms > self._last_ms:
            self._steps_ms.append(pts_ms - self._last_ms)
        self._last_ms = pts_ms
