"""Plays faces over time to the tracker, from timelines that a person can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from pipeline.settings import Settings
from pipeline.stages.track import Sight, close_all, expire, step
from pipeline.types import CameraState, Detections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.stages.track import Closed
    from pipeline.types import Track

CAMERA = UUID(int=1)
START_US = 1_790_000_000_000_000
FRAME_US = 200_000
SCORES = {"#": 0.9, "+": 0.6, "o": 0.4}
"""A timeline has a character a frame: a good, a barely good, a low score; anything else: not found."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face in one frame."""

    x: float = 500.0  # centre, pixels
    y: float = 300.0
    height: float = 60.0  # pixels
    score: float = 0.9
    colours: bytes = b""

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        half_w, half_h = 0.4 * self.height, 0.5 * self.height
        return self.x - half_w, self.y - half_h, self.x + half_w, self.y + half_h


def flat_colours(luma: int, red: int, blue: int) -> bytes:
    """Return the grid of a person of one colour."""
    return bytes((luma, red, blue)) * 32


def sight(number: int, faces: Sequence[Face]) -> Sight:
    """Return a frame of the scene; a segment every two seconds."""
    count = len(faces)
    return Sight(
        camera_id=CAMERA,
        sequence=number // 10,
        pts_us=number * FRAME_US,
        captured_us=START_US + number * FRAME_US,
        detections=Detections(
            xyxy=np.array([face.xyxy for face in faces], np.float32).reshape(count, 4),
            score=np.array([face.score for face in faces], np.float32),
            landmarks=np.full((count, 5, 2), np.nan, np.float32),
        ),
        colours=tuple(face.colours for face in faces),
    )


EMPTY = CameraState(session=7, sequence=0, last_us=0, size_wh=(1920, 1080))


@dataclass
class Scene:
    """A camera's state, played on frame by frame."""

    settings: Settings = field(default_factory=Settings)
    between: Callable[[CameraState], CameraState] = lambda state: state  # done to the state after each frame
    state: CameraState = EMPTY
    closed: list[Closed] = field(default_factory=list)
    tracks: list[tuple[Track | None, ...]] = field(default_factory=list)  # per frame, per face
    frames: int = 0

    def play(self, frames: Iterable[Sequence[Face]]) -> Scene:
        """Show frames, one after the other."""
        for faces in frames:
            taken = step(self.state, sight(self.frames, faces), self.settings)
            self.state = self.between(taken.state)
            self.closed += taken.closed
            self.tracks.append(taken.tracks)
            self.frames += 1
        return self

    def timeline(self, line: str, face: Callable[[int], Face] = lambda _: Face()) -> Scene:
        """Show one face by a timeline; `face` says where it is in each frame."""
        first = self.frames
        return self.play([_scored(face(first + index), mark) for index, mark in enumerate(line.replace(" ", ""))])

    def gap(self, instant_us: int) -> Scene:
        """Take a gap record."""
        self.state, closed = expire(self.state, instant_us, self.settings)
        self.closed += closed
        return self

    def end(self) -> Scene:
        """Take an end record."""
        self.state, closed = close_all(self.state, self.settings)
        self.closed += closed
        return self

    @property
    def verdicts(self) -> list[str]:
        """What the closed tracks were."""
        return [closed.verdict.value for closed in self.closed]

    def numbers(self, face: int) -> set[int | None]:
        """Return the numbers of the tracks that a face of each frame was taken for."""
        return {None if found is None else found.number for frame in self.tracks if len(frame) > face for found in (frame[face],)}


def _scored(face: Face, mark: str) -> list[Face]:
    if mark not in SCORES:
        return []
    return [Face(x=face.x, y=face.y, height=face.height, score=SCORES[mark], colours=face.colours)]
