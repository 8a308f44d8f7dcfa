"""A small RTSP server for tests: H.264 over interleaved TCP (RFC 2326), with the faults that cameras have."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.rtp import access_units, payloads

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

CLOCK_HZ = 90_000
_FIRST_S = 10_000  # what the camera's clock says at the beginning
_NONCE = "5ca1ab1e"
_JUNK = bytes(range(256)) * 16


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the server does wrong."""

    status: str | None = None  # answer DESCRIBE with this, such as "404 Not Found"
    credentials: str | None = None  # "user:password" that is wanted
    digest: bool = False  # want them by Digest (RFC 2617), else by Basic
    freeze: str | None = None  # never answer this method
    junk: str | None = None  # answer this method with bytes of no protocol
    close_after: int | None = None  # frames, on the first connection only
    always_close_after: int | None = None  # frames, on every connection
    silent_after: int | None = None  # frames; then the connection stays open and says nothing
    trickle: bool = False  # bytes that are no RTP, one at a time, instead of that silence
    only_first_key: bool = False  # leave the later keyframes out
    keyless: bool = False  # leave all keyframes and parameter sets out
    lost: frozenset[int] = frozenset()  # frames that are never sent, the first one being 1
    jump_after: int | None = None  # frames; then the camera's clock steps by `jump_s`
    jump_s: float = 0.0
    interval_s: float | None = None  # between frames, whatever the clip says


@dataclass
class RtspServer:
    """Serves an H.264 clip in an endless loop, each frame at its time; `behaviour` may be changed for the connections to come."""

    clip: Path
    behaviour: Behaviour = Behaviour()
    tls: ssl.SSLContext | None = None
    requests: list[str] = field(default_factory=list)
    at_port: int = 0  # 0: a free one

    def __enter__(self) -> Self:
        self._frames, self._sprop = access_units(self.clip)
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.at_port), backlog=64)
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
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._listener.getsockname()[1])

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection, len(self._threads) == 1))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, first: bool) -> None:  # noqa: FBT001 - a thread's target
        with plain:
            try:
                plain.settimeout(5.0 if self.tls else 0.05)
                connection = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
                connection.settimeout(0.05)
                with connection:
                    self._converse(connection, first=first)
            except OSError:
                return  # the client went away

    def _converse(self, connection: socket.socket, *, first: bool) -> None:
        while (request := self._request(connection)) is not None:
            method = request.split(" ", 1)[0]
            self.requests.append(method)
            if method == self.behaviour.freeze:
                self._stopped.wait()
                return
            if method == self.behaviour.junk:
                connection.sendall(_JUNK)
                return
            connection.sendall(self._answer(method, request))
            if method == "PLAY":
                self._play(connection, self.behaviour, first=first)
                return

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
            scheme, nonce = ("Digest", f', nonce="{_NONCE}"') if self.behaviour.digest else ("Basic", "")
            head.append(f'WWW-Authenticate: {scheme} realm="camera"{nonce}')
        elif method == "DESCRIBE":
            status = self.behaviour.status or status
            body = self._sdp()
            head += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            head.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        return "\r\n".join([f"RTSP/1.0 {status}", *head, "", body]).encode()

    def _authorized(self, request: str) -> bool:
        wanted = self.behaviour.credentials
        if wanted is None:
            return True
        if not self.behaviour.digest:
            return f"Authorization: Basic {base64.b64encode(wanted.encode()).decode()}\r\n" in request
        uri = re.search(r'Authorization: Digest .*uri="([^"]*)"', request)
        user, _, password = wanted.partition(":")
        secret = _md5(f"{user}:camera:{password}") + f":{_NONCE}:" + _md5(f"{request.split(' ', 1)[0]}:{uri[1] if uri else ''}")
        return f'response="{_md5(secret)}"' in request

    def _sdp(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=x", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"]
        return "\r\n".join([*lines, f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={self._sprop}", "a=control:track", ""])

    def _play(self, connection: socket.socket, behaviour: Behaviour, *, first: bool) -> None:
        began_s, sequence = time.monotonic(), 0
        close_after = behaviour.close_after if first else behaviour.always_close_after
        for count, (offset_s, units) in enumerate(self._endless(behaviour.interval_s), start=1):
            if self._stopped.wait(max(0.0, began_s + offset_s - time.monotonic())) or count - 1 == close_after:
                return
            if count - 1 == behaviour.silent_after:
                self._keep_silent(connection, trickle=behaviour.trickle)
                return
            stamp = _stamp(behaviour, offset_s, count)
            for payload, last in payloads(_sent(behaviour, units, count)):
                packet = struct.pack(">BBHII", 0x80, 96 | (0x80 if last else 0), sequence & 0xFFFF, stamp, 7) + payload
                sequence += 1
                if count not in behaviour.lost:
                    connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)

    def _endless(self, interval_s: float | None) -> Iterator[tuple[float, list[bytes]]]:
        """Yield (second, NAL units) for ever."""
        step_s = interval_s or self._frames[1][0] - self._frames[0][0]
        count = 0
        while True:
            for _, units in self._frames:
                yield count * step_s, units
                count += 1

    def _keep_silent(self, connection: socket.socket, *, trickle: bool) -> None:
        while not self._stopped.wait(0.1):
            if trickle:
                connection.sendall(b"x")


def _stamp(behaviour: Behaviour, offset_s: float, count: int) -> int:
    jumped = behaviour.jump_after is not None and count > behaviour.jump_after
    return round((_FIRST_S + offset_s + (behaviour.jump_s if jumped else 0.0)) * CLOCK_HZ) & 0xFFFFFFFF


def _sent(behaviour: Behaviour, units: list[bytes], count: int) -> list[bytes]:
    hidden = behaviour.keyless or (behaviour.only_first_key and count > 1)
    return [unit for unit in units if not (hidden and unit[0] & 31 in (5, 7, 8))]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
