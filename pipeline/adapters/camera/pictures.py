"""Folders of pictures as sources of segments; imports the video package and its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import av

from pipeline.adapters.camera.identity import capture_start, session_of
from pipeline.adapters.camera.recording import paced, written
from pipeline.errors import SourceError
from pipeline.types import to_us
from pipeline.video.clock import FileClock
from pipeline.video.open import bound_decoder
from pipeline.video.transcode import PictureCutter
from pipeline.video.write import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av import VideoFrame

    from pipeline.adapters.camera.options import SourceOptions
    from pipeline.ports import SourcePosition
    from pipeline.types import Segment
    from pipeline.video.mux import ShapedRun

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def natural(path: Path) -> list[tuple[int, str]]:
    """Return a sorting key by which "frame 9" stands before "frame 10"."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"([0-9]+)", path.name)]


class PictureSource:
    """Pictures in their natural order, shown at a fixed rate."""

    can_wait: bool = True

    def __init__(self, paths: Sequence[Path], options: SourceOptions) -> None:
        self._paths = sorted(paths, key=natural)
        self._options = options
        self._session = session_of(self._paths, salt=f"fps {options.fps:g}")
        self._start_us = to_us(capture_start(options.start, {}, self._paths[0]))

    @property
    def session(self) -> int:
        """The session that the pictures and their rate give."""
        return self._session

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        """Yield the segments from `position` on and an END record; pictures that cannot be read leave their time empty.

        Raises:
            SourceError: No picture could be read.
        """
        writer = SegmentWriter(position=position, clock=FileClock(self._start_us))
        yield from paced(written(self._runs(), writer), self._options)
        if writer.next_sequence == 0:
            raise SourceError("not_a_video", f"{self._paths[0].parent.name}: none of its pictures could be read")
        yield writer.end()

    def close(self) -> None:
        """Do nothing: pictures are closed as they are read."""

    def _runs(self) -> Iterator[ShapedRun]:
        cutter = PictureCutter(self._options.recording_limits(), max(1, round(1000 / self._options.fps)))
        for index, path in enumerate(self._paths):
            try:
                frame = read_picture(path, self._options.settings.max_pixels)
            except SourceError as error:
                self._options.notice(str(error))
                continue
            yield from cutter.push(frame, round(index * 1000 / self._options.fps))
        yield from cutter.finish()


def read_picture(path: Path, max_pixels: int) -> VideoFrame:
    """Decode a picture file, refusing one of more than `max_pixels` before it is allocated.

    Raises:
        SourceError: It cannot be read, or is too large.
    """
    try:
        options = {"max_pixels": str(max_pixels), "protocol_whitelist": "file"}
        with av.open(str(path), "r", options=options, metadata_errors="replace") as container:
            stream = container.streams.video[0]
            bound_decoder(stream, max_pixels)
            return next(container.decode(stream))
    except Exception as error:  # noqa: BLE001 - damaged pictures raise far more than FFmpegError
        hint = f"it may be damaged, or have more than {max_pixels} pixels"
        raise SourceError("not_a_video", f"{path.name}: not a picture that can be read ({type(error).__name__}); {hint}") from None
