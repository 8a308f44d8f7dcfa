"""One connection to a network camera: opened, read and cut into runs; imports the video package and its own."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import av

from pipeline.adapters.camera.address import ambiguous, redact, scheme_of
from pipeline.adapters.camera.diagnose import NEARLY, Failure, explain
from pipeline.errors import SourceError
from pipeline.types import to_us
from pipeline.video.cut import Cutter
from pipeline.video.mux import ShapedRun, like
from pipeline.video.packets import REMUXED, PacketReader, codec_of, frame_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from pipeline.adapters.camera.live_rate import FrameRate
    from pipeline.adapters.camera.options import SourceOptions
    from pipeline.settings import Settings
    from pipeline.video.clock import LiveClock
    from pipeline.video.cut import Run, Unit
    from pipeline.video.mux import Shape

_KEYFRAME_WAIT_S = 10.0
_DELAYING_MS = 4000
_PROBED_FRAMES = 20
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsp,rtp,tcp,udp,tls,crypto",
    "http": "http,tcp,hls",
    "https": "https,http,tls,tcp,crypto,hls",
}


class Connection:
    """An open connection, read and closed by one thread: closing it from another one is a segmentation fault.

    Raises:
        SourceError: With the kind that says what is wrong.
    """

    def __init__(self, url: str, options: SourceOptions, rate: FrameRate) -> None:
        self._url = url
        self._options = options
        self._rate = rate
        self._stalled_s = rate.stalled_after_s(options.settings.read_timeout_s)  # PyAV fixes it for the life of a connection
        self._shown = redact(url)
        self._scheme = scheme_of(url) or ""
        self._heard_s = options.clock.monotonic()
        # Arrivals run on the monotonic clock, so that setting the host's clock does not tear a session.
        self._anchor_us = to_us(options.clock.now()) - round(self._heard_s * 1e6)
        self._told = False
        self._arrived_ms = -1
        rate.restart()
        if ambiguous(url):
            hint = "percent-encode @ / ? # % in user and password, and any @ after the host"
            raise SourceError("connection_failed", f"{self._shown}: it is not clear which host is meant; {hint}")
        self.container = self._open()

    @property
    def finite(self) -> bool:
        """Whether it is a recording behind a URL: it has a duration, or (other than a live playlist) a size."""
        if not self._scheme.startswith("http"):
            return False
        return bool(self.container.duration) or (self.container.size > 0 and self.container.format.name != "hls")

    def close(self) -> None:
        """Close the connection."""
        self.container.close()

    def runs(self, clock: LiveClock) -> Iterator[ShapedRun]:
        """Yield runs whose packets `clock` has seen, until the user stops or the connection is lost; what is in hand comes first.

        Raises:
            SourceError: Why it was lost; the end of the stream counts as that, a camera has none.
        """
        stream = self._usable_stream()
        cutter, shape = Cutter(self._options.live_limits(), frame_ms(stream)), like(stream)
        lost: SourceError | None = None
        clock.restart()
        try:
            for unit in self._units(stream):
                yield from self._seen(cutter.push(unit), shape, clock)
                if unit.pts_ms is not None:
                    clock.observe(unit.pts_ms, self._now_us())
                    self._rate.see(unit.pts_ms)
                    cutter.frame_ms = self._rate.interval_ms or cutter.frame_ms
        except SourceError as error:
            lost = error
        yield from self._seen(cutter.finish(), shape, clock)
        if lost is not None:
            raise lost

    def _open(self) -> InputContainer:
        settings = self._options.settings
        try:
            return av.open(
                self._url,
                "r",
                options=_options(self._scheme, settings, self._stalled_s) | self._short_probing(),
                timeout=(settings.connect_timeout_s, self._stalled_s),
                metadata_errors="replace",
            )
        except Exception as error:  # noqa: BLE001 - FFmpeg's exception types do not say what happened
            raise self._explained(error, opening=True) from None

    def _short_probing(self) -> dict[str, str]:
        """Look at one packet where the usual 20 frames would not come in time: FFmpeg's TLS does not survive a cut probing."""
        slow = _PROBED_FRAMES * (self._rate.interval_ms or 0) > self._options.settings.connect_timeout_s * 1000
        return {"probesize": "32", "skip_frame": "all"} if slow and self._scheme == "rtsps" else {}

    def _usable_stream(self) -> VideoStream:
        streams = self.container.streams.video
        if not streams or streams[0].codec_context is None or codec_of(streams[0]) not in REMUXED:
            raise SourceError("codec_unsupported", f"{self._shown}: sends no video that can be read; set the camera to H.264 or H.265")
        if not streams[0].width:
            if self._elapsed_s() >= NEARLY * self._options.settings.connect_timeout_s:
                raise SourceError("timeout", f"{self._shown}: sent no picture; check the camera and its network")
            raise SourceError("no_keyframe", f"{self._shown}: no keyframe came; set the camera's keyframe interval to 1-2 s")
        return streams[0]

    def _units(self, stream: VideoStream) -> Iterator[Unit]:
        reader = PacketReader(stream)
        patience_s = max(_KEYFRAME_WAIT_S, self._options.settings.segment_max_s)
        key_s = self._heard_s
        for packet in self._packets(stream):
            unit = reader.read(packet)
            key_s = self._heard_s if unit is not None and unit.key else key_s
            if reader.codec_changed:
                raise SourceError("connection_failed", f"{self._shown}: the camera changed its codec")
            if self._heard_s - key_s > patience_s:
                raise SourceError("no_keyframe", f"{self._shown}: no usable keyframe for {patience_s:g} s; switch intra-refresh off")
            if unit is not None:
                yield self._timed(unit)

    def _timed(self, unit: Unit) -> Unit:
        """Date pictures over HTTP by their arrival: FFmpeg makes up 25 frames a second for them."""
        if self.container.format.name != "mpjpeg":
            return unit
        # What came while the connection was opened arrives all at once.
        self._arrived_ms = max(self._arrived_ms + 1, (self._now_us() - self._anchor_us) // 1000)
        return replace(unit, pts_ms=self._arrived_ms)

    def _packets(self, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self.container.demux(stream):
                self._heard_s = self._options.clock.monotonic()
                if self._options.stop.is_set():
                    return
                yield packet
        except Exception as error:  # noqa: BLE001 - FFmpeg's exception types do not say what happened
            raise self._explained(error, opening=False) from None
        raise SourceError("connection_failed", f"{self._shown}: the camera ended the stream")

    def _seen(self, runs: Iterable[Run], shape: Shape, clock: LiveClock) -> Iterator[ShapedRun]:
        for run in runs:
            length_ms = run.end_ms - run.first_ms
            if run.oversize:
                message = f"more than {length_ms / 1000:.0f} s or {self._options.settings.segment_max_bytes} bytes without a keyframe"
                raise SourceError("keyframe_interval_too_long", f"{self._shown}: {message}; set the keyframe interval to 1-2 s")
            if length_ms > _DELAYING_MS and not self._told:
                self._told = True
                self._options.notice(f"{self._shown}: keyframes are {length_ms / 1000:.0f} s apart, results come as late; set 1-2 s")
            clock.observe(run.end_ms, self._now_us())  # the packet that closed the run
            yield ShapedRun(run=run, shape=shape)

    def _now_us(self) -> int:
        return self._anchor_us + round(self._options.clock.monotonic() * 1e6)

    def _elapsed_s(self) -> float:
        return self._options.clock.monotonic() - self._heard_s

    def _explained(self, error: Exception, *, opening: bool) -> SourceError:
        limit_s = self._options.settings.connect_timeout_s if opening else self._stalled_s
        failure = Failure(error=error, opening=opening, elapsed_s=self._elapsed_s(), limit_s=limit_s)
        return explain(self._url, failure, self._options.settings)


def _options(scheme: str, settings: Settings, stalled_s: float) -> dict[str, str]:
    options = {
        "protocol_whitelist": _PROTOCOLS[scheme],
        "analyzeduration": "2000000",
        "max_pixels": str(settings.max_pixels),
        "threads": "1",
    }
    if scheme in ("rtsp", "rtsps"):
        # A declared but silent audio track would keep open() waiting for it.
        options |= {"rtsp_transport": "tcp", "allowed_media_types": "video", "timeout": str(round(stalled_s * 1e6))}
    if scheme in ("rtsps", "https"):
        trusted = settings.tls_ca_file or ssl.get_default_verify_paths().cafile
        options |= {"tls_verify": str(int(settings.tls_verify))} | ({"ca_file": str(trusted)} if trusted else {})
    return options
