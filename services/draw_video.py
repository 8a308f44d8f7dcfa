"""Draws a followed video: every frame as a new video, or the fullest one as a picture."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np

from pipeline.errors import ConfigurationError
from pipeline.stages.decode import DecodeOptions, Decoder
from pipeline.types import SegmentKind
from services.annotate import Label, draw, labels_text
from services.follow import segments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from pipeline.settings import Settings
    from pipeline.types import UInt8
    from pipeline.watch import FrameTrace
    from services.follow import Followed

_EVERY_FRAME = 1000.0  # frames per second of which none has more
_LONGEST_GAP = 2.1  # sampling intervals: where a face was in a longer gap is not known


def draw_video(path: str, followed: Followed, out: Path, settings: Settings) -> None:
    """Write the video again with boxes, numbers and labels on every frame, H.264 where it can be had.

    Raises:
        ConfigurationError: `out` cannot be written.
    """
    trails = _trails(followed, settings)
    try:
        with av.open(str(out), "w") as container:
            stream: av.VideoStream | None = None
            first_us: int | None = None
            for instant_us, rgb in _frames(path, settings):
                labels = [label for trail in trails for label in trail.at(instant_us)]
                frame = av.VideoFrame.from_ndarray(_even(draw(rgb, labels)), format="rgb24")
                if stream is None:
                    stream, first_us = _video_stream(container, frame), instant_us
                if (frame.width, frame.height) != (stream.width, stream.height):
                    frame = frame.reformat(width=stream.width, height=stream.height)
                frame.pts, frame.time_base = (instant_us - (first_us or 0)) // 1000, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            if stream is not None:
                container.mux(stream.encode(None))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{out}: cannot be written ({type(error).__name__})") from None


def draw_fullest(path: str, followed: Followed, settings: Settings) -> UInt8 | None:
    """Return the analysed frame that shows the most counted faces, drawn; None where nothing was counted."""
    counted = {visit.visit_id for visit in followed.visits}

    def shown(trace: FrameTrace) -> float:
        scores = zip(trace.tracks, trace.detections.score, strict=True)
        return sum(1 + float(score) for track, score in scores if track is not None and track.visit_id in counted)

    fullest = max(followed.traces, key=shown, default=None)
    if fullest is None or not counted:
        return None
    trails = _trails(followed, settings)
    for instant_us, rgb in _frames(path, settings):
        if instant_us >= fullest.captured_us:
            return draw(rgb, [label for trail in trails for label in trail.at(instant_us)])
    return None


def _frames(path: str, settings: Settings) -> Iterator[tuple[int, UInt8]]:
    """Yield all frames of a video: capture time, (h, w, 3) uint8 RGB."""
    decoder = Decoder(DecodeOptions.of(_EVERY_FRAME, 64, settings.max_pixels))
    for segment in segments_of(path, settings, lambda _: None):
        if segment.kind is SegmentKind.GOP:
            for frame in decoder.decode(segment, None):
                yield frame.captured_us, frame.picture.window(0, 0, *frame.picture.size_wh)


def _video_stream(container: av.container.OutputContainer, frame: av.VideoFrame) -> av.VideoStream:
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    options = {"crf": "20", "preset": "veryfast"} if codec == "libx264" else {"qscale": "3"}
    stream = cast("av.VideoStream", container.add_stream(codec, rate=25, options=options))
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1000)
    return stream


def _even(rgb: UInt8) -> UInt8:
    """Cut an odd last row or column off: 4:2:0 has none."""
    return np.ascontiguousarray(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trail:
    """Where one track was, for drawing between its sights."""

    instants_us: Sequence[int]
    boxes: Sequence[tuple[float, ...]]
    text: str
    number: int | None
    longest_gap_us: float

    def at(self, instant_us: int) -> list[Label]:
        """Return the label at an instant, interpolated between the sights around it; none outside or in a long gap."""
        after = bisect_left(self.instants_us, instant_us)
        if after == len(self.instants_us) or (after == 0 and self.instants_us[0] != instant_us):
            return []
        before = max(after - 1, 0)
        span = self.instants_us[after] - self.instants_us[before]
        if span > self.longest_gap_us:
            return []
        share = (instant_us - self.instants_us[before]) / span if span else 1.0
        box = (1 - share) * np.array(self.boxes[before]) + share * np.array(self.boxes[after])
        x0, y0, x1, y1 = (float(value) for value in box)
        return [Label(xyxy=(x0, y0, x1, y1), text=self.text, number=self.number)]


def _trails(followed: Followed, settings: Settings) -> list[_Trail]:
    longest_gap_us = _LONGEST_GAP * 1e6 / settings.analysis_fps
    visits = {visit.visit_id: visit for visit in followed.visits}
    sights: dict[UUID, list[tuple[int, tuple[float, ...]]]] = {}
    for trace in followed.traces:
        for track, box in zip(trace.tracks, trace.detections.xyxy, strict=True):
            if track is not None:
                sights.setdefault(track.visit_id, []).append((trace.captured_us, tuple(float(value) for value in box)))
    trails = []
    for visit_id, seen in sights.items():
        number = followed.numbers[visit_id] if visit_id in visits else None
        text = labels_text(visits[visit_id], followed.numbers[visit_id]) if visit_id in visits else ""
        instants, boxes = [us for us, _ in seen], [box for _, box in seen]
        trails.append(_Trail(instants_us=instants, boxes=boxes, text=text, number=number, longest_gap_us=longest_gap_us))
    return trails
