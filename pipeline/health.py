"""What a worker process says of itself when it is asked; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A worker's counts since it began; nothing of a picture."""

    incarnation: str  # random: tells a worker from the one that it replaced
    pid: int
    segments: int = 0  # analysed and stored
    frames: int = 0  # analysed
    faces: int = 0  # found and stored
    visits: int = 0  # stored
    open_tracks: int = 0
    notices: tuple[str, ...] = ()  # lines for the user, oldest first
    stage_s: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds
    failure: str | None = None  # why it does not work, where the user must change something
    ended: bool = False  # it works no more, and need not be waited for
