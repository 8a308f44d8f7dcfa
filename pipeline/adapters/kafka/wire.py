"""The first words of Kafka's protocol, spoken over a plain socket: enough to see where a connection fails. Imports nothing of ours.

kafka-python says "unable to bootstrap" whatever the reason. The frames: https://kafka.apache.org/protocol
"""

from __future__ import annotations

import struct
import time
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket

_SIZE = struct.Struct(">i")
_MAX_ANSWER_BYTES = 1 << 20
_CLIENT_ID = b"headcount"
NO_ERROR = 0


class Request(IntEnum):
    """What a broker may be asked, by its number in the protocol."""

    METADATA = 3
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    SASL_AUTHENTICATE = 36


_VERSIONS = {Request.METADATA: 1, Request.SASL_HANDSHAKE: 1, Request.API_VERSIONS: 0, Request.SASL_AUTHENTICATE: 0}


class GarbledError(Exception):
    """The other side does not talk Kafka."""


class Login(NamedTuple):
    """A broker's answer to one step of a login."""

    error_code: int
    token: bytes


class Conversation:
    """One connection, one request at a time. Used by one thread; whoever opened the socket closes it.

    Every method raises OSError where the connection ends or the time is up, and GarbledError where the answer is not Kafka's.
    """

    def __init__(self, connection: socket.socket, *, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline  # monotonic

    def versions(self) -> None:
        """Ask what the broker can do: it answers this before any login."""
        self._ask(Request.API_VERSIONS, b"")

    def metadata(self) -> None:
        """Ask for the brokers, of no topic: answered once a client is let in."""
        self._ask(Request.METADATA, struct.pack(">i", 0))

    def handshake(self, mechanism: str) -> tuple[int, list[str]]:
        """Propose a way to log in; return the error code and the ways that the broker knows."""
        answer = self._ask(Request.SASL_HANDSHAKE, _short(mechanism.encode()))
        try:
            code, count = struct.unpack_from(">hi", answer)
            names, at = [], 6
            for _ in range(count):
                (size,) = struct.unpack_from(">h", answer, at)
                names.append(answer[at + 2 : at + 2 + size].decode())
                at += 2 + size
        except (struct.error, UnicodeDecodeError):
            raise GarbledError from None
        return code, names

    def authenticate(self, token: bytes) -> Login:
        """Send one step of a login."""
        answer = self._ask(Request.SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token)
        try:
            code, words = struct.unpack_from(">hh", answer)
            at = 4 + max(words, 0)
            (size,) = struct.unpack_from(">i", answer, at)
        except struct.error:
            raise GarbledError from None
        return Login(code, answer[at + 4 : at + 4 + max(size, 0)])

    def _ask(self, request: Request, body: bytes) -> bytes:
        header = struct.pack(">hhi", request, _VERSIONS[request], request) + _short(_CLIENT_ID)  # the number is the correlation id, too
        self._in_time()
        self._connection.sendall(_SIZE.pack(len(header) + len(body)) + header + body)
        (size,) = _SIZE.unpack(self._read(_SIZE.size))
        if not _SIZE.size <= size <= _MAX_ANSWER_BYTES:
            raise GarbledError
        answer = self._read(size)
        if _SIZE.unpack_from(answer)[0] != request:
            raise GarbledError
        return answer[_SIZE.size :]

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            self._in_time()
            more = self._connection.recv(size - len(read))
            if not more:
                raise ConnectionResetError
            read += more
        return read

    def _in_time(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


def _short(text: bytes) -> bytes:
    return struct.pack(">h", len(text)) + text
