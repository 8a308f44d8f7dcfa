"""A small HTTP server for tests: files, endless MJPEG, and what cameras answer when they do not; imports nothing of ours."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_BOUNDARY = "frame"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a path gives."""

    status: int = 200
    type: str = "application/octet-stream"
    body: bytes = b""
    cut_at: int | None = None  # close the connection after so many bytes of the body
    unsized: bool = False  # do not say how long it is
    pictures: tuple[bytes, ...] = ()  # JPEG: sent for ever as multipart/x-mixed-replace
    interval_s: float = 0.1
    silent: bool = False  # no answer at all


@dataclass
class HttpServer:
    """Answers GET by path, without its query."""

    answers: Mapping[str, Answer]
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answers, stopped = self.answers, self._stopped

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, answers.get(self.path.partition("?")[0], Answer(status=404)), stopped)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """Clients go away as they like."""


def _answer(handler: BaseHTTPRequestHandler, answer: Answer, stopped: threading.Event) -> None:
    if answer.silent:
        stopped.wait()
        return
    handler.send_response(answer.status)
    if answer.pictures:
        handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        handler.end_headers()
        _send_pictures(handler, answer, stopped)
        return
    handler.send_header("Content-Type", answer.type)
    if not answer.unsized:
        handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body[: answer.cut_at])


def _send_pictures(handler: BaseHTTPRequestHandler, answer: Answer, stopped: threading.Event) -> None:
    began_s, count = time.monotonic(), 0
    while not stopped.wait(max(0.0, began_s + count * answer.interval_s - time.monotonic())):
        picture = answer.pictures[count % len(answer.pictures)]
        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        handler.wfile.write(head.encode() + picture + b"\r\n")
        count += 1
