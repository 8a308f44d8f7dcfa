"""What was observed and counted of a camera, minute by minute; imports types only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.types import CoverageMinute, Decode, from_us

if TYPE_CHECKING:
    from uuid import UUID

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US


@dataclass(slots=True)
class _Minute:
    seconds: int = 0
    level: Decode = Decode.ALL
    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


class Tally:
    """Counters and observed seconds, to be added to what is stored."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[UUID, int], _Minute] = {}

    def count(self, camera_id: UUID, instant_us: int, name: str, number: int = 1) -> None:
        """Add to one of CoverageMinute's counters."""
        self._minute(camera_id, instant_us).counts[name] += number

    def reject(self, camera_id: UUID, instant_us: int, reason: str, number: int = 1) -> None:
        """Count what was rejected under its reason."""
        if number:
            self._minute(camera_id, instant_us).rejected[reason] += number

    def skip(self, camera_id: UUID, instant_us: int, level: Decode) -> None:
        """Count a frame that was not searched, because its camera's video is not decoded wholly."""
        self.reject(camera_id, instant_us, "skipped")
        minute = self._minute(camera_id, instant_us)
        minute.level = minute.level.weaker(level)

    def observe(self, camera_id: UUID, first_us: int, end_us: int) -> None:
        """Mark the seconds whose middle lies in [first_us, end_us) as observed, wherever the interval was cut."""
        first = -(-(first_us - _SECOND_US // 2) // _SECOND_US)
        last = -(-(end_us - _SECOND_US // 2) // _SECOND_US)
        for second in range(first, last):
            minute = self._minute(camera_id, second * _SECOND_US)
            minute.seconds |= 1 << (second % 60)

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        for (camera_id, start_us), theirs in other._minutes.items():
            ours = self._minute(camera_id, start_us)
            ours.seconds |= theirs.seconds
            ours.level = ours.level.weaker(theirs.level)
            ours.counts.update(theirs.counts)
            ours.rejected.update(theirs.rejected)

    def minutes(self) -> tuple[CoverageMinute, ...]:
        """Return the minutes, by camera and time."""
        return tuple(
            CoverageMinute(
                camera_id=camera_id,
                minute=from_us(start_us),
                seconds=minute.seconds,
                level=minute.level,
                rejected=dict(minute.rejected),
                segments=minute.counts["segments"],
                frames_decoded=minute.counts["frames_decoded"],
                frames_analysed=minute.counts["frames_analysed"],
                detections=minute.counts["detections"],
            )
            for (camera_id, start_us), minute in sorted(self._minutes.items())
        )

    def _minute(self, camera_id: UUID, instant_us: int) -> _Minute:
        return self._minutes.setdefault((camera_id, instant_us - instant_us % _MINUTE_US), _Minute())
