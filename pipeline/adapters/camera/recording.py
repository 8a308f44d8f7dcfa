"""Files with video as sources of segments; imports the video package and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

from pipeline.adapters.camera.identity import capture_start, session_of
from pipeline.errors import SourceError
from pipeline.types import to_us
from pipeline.video.clock import FileClock
from pipeline.video.cut import Cutter
from pipeline.video.mux import ShapedRun, like
from pipeline.video.open import bound_decoder
from pipeline.video.packets import REMUXED, PacketReader, codec_of, frame_ms
from pipeline.video.transcode import PictureCutter, Transcoder
from pipeline.video.write import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pipeline.adapters.camera.options import SourceOptions
    from pipeline.ports import SourcePosition
    from pipeline.types import Segment
    from pipeline.video.cut import Run

_NO_VIDEO = frozenset({"ansi", "bintext", "xbin", "idf"})  # FFmpeg "plays" text files
_SHORT_S = 1.0  # so much less than the container promises is worth a word


class RecordingReader:
    """Cuts an opened recording into runs: remuxed where that can be, else encoded as MJPEG."""

    def __init__(self, container: InputContainer, name: str, options: SourceOptions) -> None:
        self._container = container
        self._stream = video_stream(container, name)
        self._name = name
        self._options = options
        self._shape = like(self._stream)
        self._fallback: Transcoder | None = None
        self._told = False
        self._last_ms = 0

    def runs(self) -> Iterator[ShapedRun]:
        """Yield the runs in order; what cannot be read ends them with a notice."""
        bound_decoder(self._stream, self._options.settings.max_pixels)
        remuxed = codec_of(self._stream) in REMUXED
        for shaped in self._remuxed() if remuxed else self._transcoded():
            self._last_ms = shaped.run.end_ms
            yield shaped
        self._tell_if_short()

    def _remuxed(self) -> Iterator[ShapedRun]:
        reader = PacketReader(self._stream)
        cutter = Cutter(self._options.recording_limits(), frame_ms(self._stream))
        for packet in self._packets():
            unit = reader.read(packet)
            if reader.codec_changed:
                self._options.notice(f"{self._name}: the codec changes after {self._last_ms / 1000:.1f} s; only that was read")
                break
            if unit is not None:
                yield from self._shaped(cutter.push(unit))
        yield from self._shaped(cutter.finish())
        yield from self._end_fallback()

    def _shaped(self, runs: Iterable[Run]) -> Iterator[ShapedRun]:
        for run in runs:
            if run.oversize:
                yield from self._encoded(run)
            else:
                yield from self._end_fallback()
                yield ShapedRun(run=run, shape=self._shape)

    def _encoded(self, run: Run) -> Iterator[ShapedRun]:
        if not run.continues:
            yield from self._end_fallback()
            self._tell("its keyframes are too far apart for segments; that part is encoded as MJPEG")
        self._fallback = self._fallback or self._transcoder()
        for unit in run.units:
            yield from self._fallback.push(unit.packet, None if run.continues else run.first_ms)

    def _end_fallback(self) -> Iterator[ShapedRun]:
        if self._fallback is not None:
            yield from self._fallback.finish()
            self._fallback = None

    def _transcoded(self) -> Iterator[ShapedRun]:
        self._tell(f"{codec_of(self._stream)} cannot be cut into segments; it is encoded as MJPEG")
        transcoder = self._transcoder()
        for packet in self._packets():
            if packet.size:
                yield from transcoder.push(packet)
        yield from transcoder.finish()
        if transcoder.errors:
            self._options.notice(f"{self._name}: {transcoder.errors} packets could not be decoded and were left out")

    def _transcoder(self) -> Transcoder:
        return Transcoder(self._stream, PictureCutter(self._options.recording_limits(), frame_ms(self._stream)))

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError:
            self._options.notice(f"{self._name}: damaged after {self._last_ms / 1000:.1f} s; what comes before was read")

    def _tell(self, message: str) -> None:
        if not self._told:
            self._options.notice(f"{self._name}: {message}")
        self._told = True

    def _tell_if_short(self) -> None:
        promised_s = ((self._container.duration or 0) + max(0, self._container.start_time or 0)) / av.time_base
        read_s = self._last_ms / 1000
        if 0 < read_s < promised_s - _SHORT_S:
            self._options.notice(f"{self._name}: {promised_s:.1f} s were promised, {read_s:.1f} s could be read")


class FileSource:
    """A file with video."""

    can_wait: bool = True

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._options = options
        self._name = path.name
        self._session = session_of([path])
        self._container = _open(path, options.settings.max_pixels)
        try:
            self._reader = RecordingReader(self._container, path.name, options)
        except SourceError:
            self._container.close()
            raise
        self._start_us = to_us(capture_start(options.start, self._container.metadata, path))

    @property
    def session(self) -> int:
        """The session that the file's content gives."""
        return self._session

    def segments(self, position: SourcePosition) -> Iterator[Segment]:
        """Yield the segments from `position` on and an END record.

        Raises:
            SourceError: Nothing of the file could be read.
        """
        writer = SegmentWriter(position=position, clock=FileClock(self._start_us))
        yield from paced(written(self._reader.runs(), writer), self._options)
        if writer.next_sequence == 0:
            raise SourceError("not_a_video", f"{self._name}: no picture could be read; give a file with video")
        yield writer.end()

    def close(self) -> None:
        """Close the file; only from the thread that reads it."""
        self._container.close()


def written(runs: Iterable[ShapedRun], writer: SegmentWriter) -> Iterator[Segment]:
    """Yield the segments of runs, from the writer's position on."""
    for shaped in runs:
        segment = writer.write(shaped)
        if segment is not None:
            yield segment


def paced(segments: Iterable[Segment], options: SourceOptions) -> Iterator[Segment]:
    """Yield segments no faster than they were captured, where the user wants that."""
    began_s, first_us = options.clock.monotonic(), None
    for segment in segments:
        if options.pace:
            first_us = segment.captured_us if first_us is None else first_us
            options.sleep((segment.end_us - first_us) / 1e6 - (options.clock.monotonic() - began_s))
        yield segment


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the container's picture stream, with all others discarded.

    Raises:
        SourceError: There is none that can be decoded.
    """
    pictures = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not pictures or codec_of(pictures[0]) in _NO_VIDEO:
        raise SourceError("not_a_video", f"{name}: holds no video; give a video, a picture or a folder of them")
    if not pictures[0].width or not pictures[0].height:
        raise SourceError("not_a_video", f"{name}: its pictures have no size; it may be damaged or larger than HEADCOUNT_MAX_PIXELS")
    return pictures[0]


def _open(path: Path, max_pixels: int) -> InputContainer:
    try:
        options = {"max_pixels": str(max_pixels), "protocol_whitelist": "file", "fflags": "+genpts", "threads": "1"}
        return av.open(str(path), "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise SourceError("unreadable", f"{path.name}: no permission to read it") from None
        raise SourceError(
            "not_a_video", f"{path.name}: not a video that can be read ({type(error).__name__}); it may be truncated"
        ) from None
