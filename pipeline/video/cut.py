"""The cut rule: packets in decode order become runs of whole groups of pictures; knows nothing of containers, imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.packet import Packet
    from av.video.stream import VideoStream

_JUMP_MS = 2000  # a longer step in time is no frame rate, it is a break
_JUMP_FRAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A packet with what the cut rule needs of it; times in milliseconds, which is all that Matroska keeps."""

    packet: Packet[VideoStream] = field(repr=False)
    pts_ms: int | None  # None: the source did not say
    key: bool  # a fresh decoder can start here
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a run ends."""

    target_ms: int  # closed at the first keyframe after this time
    max_bytes: int
    max_frames: int | None = None  # files
    max_ms: int | None = None  # live cameras
    live: bool = False  # a jump in time inside a group of pictures means lost packets

    def broken_by(self, units: Sequence[Unit], size: int) -> bool:
        """Return whether units of `size` bytes in all are too many for one run."""
        if size > self.max_bytes or (self.max_frames is not None and len(units) > self.max_frames):
            return True
        begin_ms = next((unit.pts_ms for unit in units if unit.pts_ms is not None), None)
        end_ms = units[-1].pts_ms
        return self.max_ms is not None and begin_ms is not None and end_ms is not None and end_ms - begin_ms > self.max_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Packets of one or more whole groups of pictures; every pts is known.

    A run that is `oversize` is a piece of one group that breaks the limits; `continues` marks all pieces but its first.
    """

    units: tuple[Unit, ...]
    end_ms: int  # where the next run begins, or the last frame's display ends
    oversize: bool = False
    continues: bool = False

    @property
    def first_ms(self) -> int:
        """Presentation time of the keyframe."""
        return _pts(self.units[0])

    @property
    def last_ms(self) -> int:
        """Presentation time of the last displayed frame."""
        return max(_pts(unit) for unit in self.units)

    @property
    def frame_count(self) -> int:
        """Frames that a fresh decoder can show: leading ones (displayed before the keyframe, decoded after it) are lost."""
        return sum(_pts(unit) >= self.first_ms for unit in self.units)


class Cutter:
    """Collects packets and gives out runs."""

    def __init__(self, limits: Limits, frame_ms: int) -> None:
        self._limits = limits
        self.frame_ms = frame_ms  # may be corrected when the stream shows another rate
        self._whole: list[Unit] = []  # whole groups of the open run
        self._whole_bytes = 0
        self._group: list[Unit] = []  # the open group
        self._group_bytes = 0
        self._waiting = True  # for a keyframe
        self._spilling = False
        self._last_ms: int | None = None
        self.dropped = 0  # packets that no keyframe precedes

    def push(self, unit: Unit) -> list[Run]:
        """Take the next packet; return the runs that are complete now."""
        runs = self.finish() if self._jumps(unit) else []
        unit = self._timed(unit)
        if unit.key:
            runs += self._close_group(unit.pts_ms)
            unit = self._timed(unit)  # closing may have settled the times of a group without any
            self._waiting = False
        elif self._waiting:
            self.dropped += 1
            return runs
        self._add(unit)
        if self._limits.broken_by(self._group, self._group_bytes):
            runs += self._spill()
        return runs

    def finish(self) -> list[Run]:
        """Return what is left; the next run starts at a keyframe again."""
        runs = self._close_group(None)
        if self._whole:
            runs.append(self._take_whole(None))
        self._waiting, self._last_ms = True, None
        return runs

    def _jumps(self, unit: Unit) -> bool:
        if unit.pts_ms is None or self._last_ms is None:
            return False
        step = unit.pts_ms - self._last_ms
        tolerance = max(_JUMP_MS, _JUMP_FRAMES * self.frame_ms)
        if unit.key:
            return step <= 0 or step > tolerance
        return step < -tolerance or (self._limits.live and step > tolerance)

    def _timed(self, unit: Unit) -> Unit:
        if unit.pts_ms is not None or self._last_ms is None:
            return unit
        return replace(unit, pts_ms=self._last_ms + self.frame_ms)

    def _add(self, unit: Unit) -> None:
        self._group.append(unit)
        self._group_bytes += unit.size
        if unit.pts_ms is not None:
            self._last_ms = unit.pts_ms if self._last_ms is None else max(self._last_ms, unit.pts_ms)

    def _close_group(self, next_ms: int | None) -> list[Run]:
        group, size = self._take_group(next_ms)
        if not group:
            self._spilling = False
            return []
        if self._spilling:
            self._spilling = False
            return [Run(units=group, end_ms=self._end(group, next_ms), oversize=True, continues=True)]
        runs = []
        if self._whole and self._limits.broken_by([*self._whole, *group], self._whole_bytes + size):
            runs.append(self._take_whole(_pts(group[0])))
        self._whole += group
        self._whole_bytes += size
        if next_ms is not None and next_ms - _pts(self._whole[0]) >= self._limits.target_ms:
            runs.append(self._take_whole(next_ms))
        return runs

    def _spill(self) -> list[Run]:
        group, _ = self._take_group(None)
        runs = [self._take_whole(_pts(group[0]))] if self._whole else []
        runs.append(Run(units=group, end_ms=self._end(group, None), oversize=True, continues=self._spilling))
        self._spilling = True
        return runs

    def _take_group(self, next_ms: int | None) -> tuple[tuple[Unit, ...], int]:
        group, size = _repaired(self._group, self.frame_ms, next_ms), self._group_bytes
        self._group, self._group_bytes = [], 0
        if group and self._last_ms is None:
            self._last_ms = max(_pts(unit) for unit in group)
        return group, size

    def _take_whole(self, next_ms: int | None) -> Run:
        units = tuple(self._whole)
        self._whole, self._whole_bytes = [], 0
        return Run(units=units, end_ms=self._end(units, next_ms))

    def _end(self, units: Sequence[Unit], next_ms: int | None) -> int:
        return next_ms if next_ms is not None else max(_pts(unit) for unit in units) + self.frame_ms


def _pts(unit: Unit) -> int:
    assert unit.pts_ms is not None, "repaired when its group was closed"
    return unit.pts_ms


def _repaired(group: Sequence[Unit], frame_ms: int, next_ms: int | None) -> tuple[Unit, ...]:
    """Give times to the first units: every RTSP connection begins with one that has none."""
    if not group or group[0].pts_ms is not None:
        return tuple(group)
    known = [unit.pts_ms for unit in group if unit.pts_ms is not None] or [frame_ms if next_ms is None else next_ms]
    repaired: list[Unit] = []
    time_ms = min(known) - frame_ms
    for unit in group:
        time_ms = time_ms if unit.pts_ms is None else unit.pts_ms
        repaired.append(replace(unit, pts_ms=time_ms))
        time_ms += frame_ms
    return tuple(repaired)
