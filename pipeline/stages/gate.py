"""Decides what of a group of pictures need not be looked at; pure: from the group, its pictures and what is being followed.

It never looks at a next segment. Under a constant bit rate, or noise, sizes of packets say nothing of movement: where they stay
small they excuse nothing there.
Imports types and the video package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.types import Frame, UInt8
    from pipeline.video.groups import Group

_LARGE = 2.5  # times as large: something has come into the picture
_TELLING = 0.25  # of the keyframe's size: where all other packets of a group are together smaller, what moves shows in them
_DIFFERS = 12  # gray levels; noise stays below


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """When looking at a part may stand for the whole."""

    interval_us: int  # groups that are longer, by more than a frame, are decoded: people would pass between two keyframes
    motion_share: float  # of the pixels: fewer that differ are no movement


class Watcher(Protocol):
    """What the gate asks of whoever follows the faces."""

    @property
    def idle(self) -> bool:
        """Whether no track is open."""
        ...

    @property
    def saw_nothing(self) -> bool:
        """Whether the last analysed frame of this segment, if there was one, showed no face, not even a doubtful one."""
        ...

    def finds(self, frame: Frame) -> bool:
        """Search a frame; return whether it shows a face, or something that may be one."""
        ...


class LookFirst:
    """`decode = gated`: one segment's gate. While nobody is followed, keyframes without a face close it for what lies between them.

    Where the keyframes lie too far apart, or each picture is one, everything is decoded, and frames in which nothing has moved
    since the last analysed one are not searched.
    """

    def __init__(self, limits: GateLimits, watcher: Watcher) -> None:
        self._limits = limits
        self._watcher = watcher
        self._reference: UInt8 | None = None
        self._quiet: Group | None = None  # the last one that was left out

    def judges(self, group: Group, following: Group | None) -> bool:
        """Return whether looks at keyframes may stand for a group.

        Whoever is there for as long as a group lasts is seen in the next keyframe. It is not at hand for the last group of a
        segment: that one is judged only where the packets would tell.
        """
        if not self._is_short(group) or not self._watcher.idle or (following is None and not _tells(self._quiet)):
            return False
        return self._quiet is None or not asks_for_more(group.forward_sizes, self._quiet.forward_sizes)

    def opens(self, key: Frame) -> bool:
        """Return whether a keyframe shows somebody."""
        return self._watcher.finds(key)

    def left_out(self, group: Group) -> None:
        """Remember what a group without anybody is like."""
        self._reference = None
        self._quiet = group

    def compares(self, group: Group, following: Group | None) -> bool:
        """Return whether the frames of a group that is decoded are searched only where something moves."""
        compares = not self._is_short(group) or following is None
        self._reference = self._reference if compares else None
        return compares

    def moves(self, gray: UInt8) -> bool:
        """Return whether a frame must be searched; `gray` is its small picture, and the next ones are compared with it if so.

        The reference is the last frame that was searched, not the last one that came: slow changes add up.
        """
        if self._reference is not None and self._is_still(self._reference, gray):
            return False
        self._reference = gray
        return True

    def _is_still(self, reference: UInt8, gray: UInt8) -> bool:
        watched = not self._watcher.idle or not self._watcher.saw_nothing
        return not watched and changed_share(reference, gray) < self._limits.motion_share

    def _is_short(self, group: Group) -> bool:
        frame_us = group.interval_us // len(group.packets)
        return len(group.packets) > 1 and group.interval_us <= self._limits.interval_us + frame_us


class KeyframesOnly:
    """`decode = keyframes`: the gate that never opens."""

    def judges(self, group: Group, following: Group | None) -> bool:
        """Return that its keyframe stands for every group."""
        del group, following
        return True

    def opens(self, key: Frame) -> bool:
        """Return that the rest is not decoded."""
        del key
        return False

    def left_out(self, group: Group) -> None:
        """Do nothing."""

    def compares(self, group: Group, following: Group | None) -> bool:
        """Return that each frame is searched."""
        del group, following
        return False

    def moves(self, gray: UInt8) -> bool:
        """Return that each frame is searched."""
        del gray
        return True


def _tells(quiet: Group | None) -> bool:
    """Return whether movement would show in the sizes: not under a constant bit rate, nor where noise is coded."""
    return quiet is not None and sum(quiet.sizes[1:]) <= _TELLING * quiet.sizes[0]


def asks_for_more(sizes: Sequence[int], quiet: Sequence[int]) -> bool:
    """Return whether a P-packet of a group is much larger than all those of a group before that was left out.

    Within one group sizes say nothing: they fall behind the keyframe, and swing where the bit rate is held.
    """
    return bool(sizes) and bool(quiet) and max(sizes) > _LARGE * max(quiet)


def changed_share(one: UInt8, other: UInt8) -> float:
    """Return the share of pixels that differ visibly between two gray pictures; 1 where the sizes differ."""
    if one.shape != other.shape:
        return 1.0
    difference = np.maximum(one, other) - np.minimum(one, other)
    return float(np.count_nonzero(difference > _DIFFERS)) / difference.size
