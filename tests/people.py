"""A world without models: people are textured squares of one hue, encoded into real segments; finding and classifying them is exact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from pipeline.record import to_record
from pipeline.types import Attributes, Detections
from tests.sources import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from pipeline.types import Record, Segment, UInt8

FPS = 10
SIZE_WH = (320, 240)
_HUES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_TEXTURE = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((14, 14)))[..., None]  # a chequered pattern, 56 x 56
SIDE_PX = len(_TEXTURE)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who walks through the picture; hue 0, 1 or 2 says who it is."""

    hue: int
    from_frame: int
    to_frame: int  # exclusive
    x: int = 20  # left, in the first frame, pixels
    y: int = 60
    speed: int = 2  # pixels a frame


def picture(people: Sequence[Person], frame: int, size_wh: tuple[int, int] = SIZE_WH) -> UInt8:
    """Return the (h, w, 3) RGB picture of a frame."""
    rgb = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    for person in people:
        if person.from_frame <= frame < person.to_frame:
            x, y = person.x + person.speed * (frame - person.from_frame), person.y
            rgb[y : y + SIDE_PX, x : x + SIDE_PX] = (160 + 80 * _TEXTURE) * _HUES[person.hue]
    return rgb


def film(path: Path, people: Sequence[Person], frames: int, size_wh: tuple[int, int] = SIZE_WH, group: int = FPS) -> Path:
    """Encode a video with a keyframe each second, or every `group` frames."""
    with av.open(str(path), "w") as container:
        options = {"x264-params": f"keyint={group}:min-keyint={group}:scenecut=0:bframes=0:force-cfr=1", "crf": "16", "threads": "1"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(people, index, size_wh), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def segments(path: Path, people: Sequence[Person], frames: int, camera_id: UUID, **shape: Any) -> list[Segment]:  # noqa: ANN401 - film's
    """Return the records of a filmed scene, the END included."""
    return [replace(segment, camera_id=camera_id) for segment in read(film(path, people, frames, **shape))]


def records(items: Sequence[Segment]) -> list[Record]:
    return [to_record(segment) for segment in items]


class HueDetector:
    """A `Detector` that finds the squares."""

    name = "hue-1"

    def detect(self, picture: UInt8) -> Detections:
        boxes = [box for hue in range(3) if (box := _find(picture, hue)) is not None]
        xyxy = np.array(boxes, np.float32).reshape(-1, 4)
        corner, size = xyxy[:, None, :2], xyxy[:, None, 2:] - xyxy[:, None, :2]
        frontal = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
        return Detections(xyxy=xyxy, score=np.full(len(xyxy), 0.9, np.float32), landmarks=corner + size * frontal)


def _find(bgr: UInt8, hue: int) -> tuple[int, int, int, int] | None:
    wanted, *others = (bgr[..., 2 - channel] for channel in (hue, (hue + 1) % 3, (hue + 2) % 3))
    rows, columns = np.nonzero((wanted > 110) & (others[0] < 70) & (others[1] < 70))
    if len(rows) < SIDE_PX:
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


class HueClassifier:
    """A `Classifier` that knows the squares: the red is a woman of 25, the green a man of 45, the blue a woman of 65."""

    name = "hues:1"
    AGES = (25, 45, 65)
    P_FEMALE = (0.9, 0.1, 0.8)

    def classify(self, crops: UInt8) -> Attributes:
        hues = crops.reshape(len(crops), -1, 3).mean(axis=1).argmax(axis=1) if len(crops) else np.zeros(0, int)
        p_female = np.array(self.P_FEMALE, np.float32)[hues]
        age_probs = np.eye(101, dtype=np.float32)[np.array(self.AGES)[hues]]
        return Attributes(age_probs=age_probs, gender_probs=np.stack([p_female, 1 - p_female], axis=1), model="hues:1")
