"""A server's process: start, pause, kill, start again; and nothing outlives the tests, however they end."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
# Below the ports that the kernel gives to clients: one that tries again and again while its server is away could connect to itself.
PORTS = range(20_000, 32_000)
_PATIENCE_S = 120.0
_STOP_S = 20.0

# Reads "PID START" lines; when the tests are gone, kills what still has both.
_REAPER = """
import os, signal, sys
mine = [line.split() for line in sys.stdin]
for pid, start in mine:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[19] == start:
                os.kill(int(pid), signal.SIGKILL)
    except (OSError, IndexError):
        pass
"""


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback on which nobody listens."""
    taken: list[socket.socket] = []
    for port in random.sample(PORTS, len(PORTS)):
        probe = socket.socket()
        try:
            probe.bind((HOST, port))
        except OSError:
            probe.close()
            continue
        taken.append(probe)
        if len(taken) == count:
            break
    ports = [probe.getsockname()[1] for probe in taken]
    for probe in taken:
        probe.close()
    assert len(ports) == count, "no free port"
    return ports


def wait_until(true: Callable[[], bool], what: str, *, patience_s: float = _PATIENCE_S) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(0.1)


class Reaper:
    """A small process that ends the servers when the tests were killed and could not."""

    def __init__(self) -> None:
        command = [sys.executable, "-S", "-c", _REAPER]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def watch(self, pid: int) -> None:
        """End this process, too, when the tests are gone."""
        assert self._process.stdin
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123 - no file
            start = stat.read().rpartition(")")[2].split()[19]
        self._process.stdin.write(f"{pid} {start}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it; what it still watches is ended with it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(_STOP_S)


class ServerProcess:
    """One server: what starts it, and its process if it runs.

    Args:
        command: Runs it in the foreground.
        environment: What it runs in.
        log: What it says is added to this file.
        ready: Says whether it answers.
        reaper: Ends it when the tests are gone.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, log: Path, ready: Callable[[], bool], reaper: Reaper
    ) -> None:
        self._command = command
        self._environment = environment
        self._ready = ready
        self._reaper = reaper
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process's number."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start it and do not wait for it."""
        assert self._process is None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=dict(self._environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._reaper.watch(self._process.pid)

    def wait_ready(self) -> None:
        """Wait until it answers."""
        wait_until(self._ready_or_dead, f"{self._command[0]} answers; see {self.log}")
        assert self._process is not None
        assert self._process.poll() is None, f"it ended: {self.log.read_text(errors='replace')[-2000:]}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def pause(self) -> None:
        """Stop it (SIGSTOP): it neither answers nor refuses."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it (SIGKILL) and see it gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, or else kill it; one that does not run is left alone."""
        if self._process is None:
            return
        if psutil.Process(self.pid).status() == psutil.STATUS_STOPPED:
            self.resume()
        try:
            self._end(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(_STOP_S)
        self._process = None

    def _ready_or_dead(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self._ready()
