"""A small RTSP server for tests: H.264 over interleaved TCP (RFC 2326, RFC 6184), with the faults that cameras have."""

from __future__ import annotations

import base64
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import av

if TYPE_CHECKING:
    from pathlib import Path

PAYLOAD_BYTES = 1390
CLOCK_HZ = 90_000


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the server does wrong."""

    status: str | None = None  # answer DESCRIBE with this, such as "404 Not Found"
    credentials: str | None = None  # "user:password" that Basic authentication wants
    freeze: str | None = None  # never answer this method
    close_after: int | None = None  # frames, on the first connection only
    only_first_key: bool = False  # leave the later keyframes out
    keyless: bool = False  # leave all keyframes and parameter sets out


@dataclass
class RtspServer:
    """Serves an H.264 clip in an endless loop, each frame at its time."""

    clip: Path
    behaviour: Behaviour = Behaviour()
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._frames, self._sprop = _access_units(self.clip)
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(0.05)
            thread = threading.Thread(target=self._serve, args=(connection, len(self._threads) == 1))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, first: bool) -> None:  # noqa: FBT001 - a thread's target
        with connection:
            try:
                while (request := self._request(connection)) is not None:
                    method = request.split(" ", 1)[0]
                    self.requests.append(method)
                    if method == self.behaviour.freeze:
                        self._stopped.wait()
                        return
                    connection.sendall(self._answer(method, request))
                    if method == "PLAY":
                        self._play(connection, self.behaviour.close_after if first else None)
                        return
            except OSError:
                return  # the client went away

    def _request(self, connection: socket.socket) -> str | None:
        data = b""
        while b"\r\n\r\n" not in data and not self._stopped.is_set():
            try:
                more = connection.recv(4096)
            except TimeoutError:
                continue
            if not more:
                return None
            data += more
        return data.decode("latin1") if data else None

    def _answer(self, method: str, request: str) -> bytes:
        sequence = re.search(r"(?i)cseq: *(\d+)", request)
        head, status, body = [f"CSeq: {sequence[1] if sequence else 0}", "Session: 1"], "200 OK", ""
        if method != "OPTIONS" and not self._authorized(request):
            status = "401 Unauthorized"
            head.append('WWW-Authenticate: Basic realm="camera"')
        elif method == "DESCRIBE":
            status = self.behaviour.status or status
            body = self._sdp()
            head += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            head.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        return "\r\n".join([f"RTSP/1.0 {status}", *head, "", body]).encode()

    def _authorized(self, request: str) -> bool:
        wanted = self.behaviour.credentials
        return wanted is None or f"Authorization: Basic {base64.b64encode(wanted.encode()).decode()}\r\n" in request

    def _sdp(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=x", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"]
        return "\r\n".join([*lines, f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={self._sprop}", "a=control:track", ""])

    def _play(self, connection: socket.socket, close_after: int | None) -> None:
        began_s, sequence, count, loop_s = time.monotonic(), 0, 0, 0.0
        frame_s = self._frames[1][0] - self._frames[0][0]
        while True:
            for offset_s, units in self._frames:
                if self._stopped.wait(max(0.0, began_s + loop_s + offset_s - time.monotonic())) or count == close_after:
                    return
                count += 1
                for payload, last in _payloads(self._sent(units, count)):
                    stamp = round((loop_s + offset_s) * CLOCK_HZ) & 0xFFFFFFFF
                    packet = struct.pack(">BBHII", 0x80, 96 | (0x80 if last else 0), sequence & 0xFFFF, stamp, 7) + payload
                    connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                    sequence += 1
            loop_s += self._frames[-1][0] + frame_s

    def _sent(self, units: list[bytes], count: int) -> list[bytes]:
        hidden = self.behaviour.keyless or (self.behaviour.only_first_key and count > 1)
        return [unit for unit in units if not (hidden and unit[0] & 31 in (5, 7, 8))]


def _access_units(clip: Path) -> tuple[list[tuple[float, list[bytes]]], str]:
    """Return the frames of a clip without B-frames as (second, NAL units), and its parameter sets for SDP."""
    frames = []
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        to_annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        time_base = stream.time_base or 0
        for packet in container.demux(stream):
            pts = packet.pts or 0  # filtering empties the packet
            for plain in to_annexb.filter(packet) if packet.size else []:
                units = [unit for unit in re.split(b"\0\0\0\1|\0\0\1", bytes(plain)) if unit]
                frames.append((float(pts * time_base), units))
    sets = [unit for unit in frames[0][1] if unit[0] & 31 in (7, 8)]
    return frames, ",".join(base64.b64encode(unit).decode() for unit in sets)


def _payloads(units: list[bytes]) -> list[tuple[bytes, bool]]:
    """Return RTP payloads, each with whether it ends its frame."""
    payloads: list[bytes] = []
    for unit in units:
        if len(unit) <= PAYLOAD_BYTES:
            payloads.append(unit)
            continue
        parts = [unit[at : at + PAYLOAD_BYTES] for at in range(1, len(unit), PAYLOAD_BYTES)]
        for index, part in enumerate(parts):
            edge = (0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0)
            payloads.append(bytes([unit[0] & 0xE0 | 28, edge | unit[0] & 31]) + part)
    return [(payload, index == len(payloads) - 1) for index, payload in enumerate(payloads)]
