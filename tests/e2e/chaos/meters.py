"""Reads the metrics of processes that may be killed at any moment; imports nothing of ours."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from http.client import HTTPException
from typing import TYPE_CHECKING, Self
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"^(headcount_\w+_total|process_start_time_seconds)(?:\{.*\})? (\S+)$", re.MULTILINE)
_BORN = "process_start_time_seconds"
_PORTS = 12  # processes that stand next to each other
_EVERY_S = 0.3
_ANSWER_S = 1.0


class Meters:
    """Adds up the counters of all processes from one port on: what each said last before it died."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._said: dict[tuple[int, float], Counter[str]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read_all, name="meters")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def sums(self) -> Mapping[str, int]:
        """Return each counter's sum, labels and processes taken together."""
        total: Counter[str] = Counter()
        for said in list(self._said.values()):
            total.update(said)
        return total

    def _read_all(self) -> None:
        while not self._over.wait(_EVERY_S):
            for port in range(self.port, self.port + _PORTS):
                self._read(port)

    def _read(self, port: int) -> None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_ANSWER_S) as page:
                text = page.read().decode()
        except (OSError, HTTPException):
            return  # nobody is there, it is stopped, or it was killed while it spoke
        values: Counter[str] = Counter()
        born = 0.0
        for name, value in _LINE.findall(text):
            if name == _BORN:
                born = float(value)
            else:
                values[name] += int(float(value))
        self._said[port, born] = values


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
