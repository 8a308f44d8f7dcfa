"""Numbered records through a log while its brokers are harmed: what went in, what came out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from pipeline.errors import TransientError
from pipeline.types import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from pipeline.ports import SegmentLog

_PAUSE_S = 0.2
_READ_S = 1.0
_PATIENCE_S = 90.0


def numbered(number: int, size: int) -> Record:
    return Record(headers=(("number", str(number).encode()),), value=bytes(size))


@dataclass(kw_only=True)
class Traffic:
    """One thread a partition appends, one unacknowledged record each, again until it is acknowledged; one thread a partition reads."""

    log: SegmentLog
    partitions: int
    size: int = 20_000
    sent: dict[int, int] = field(default_factory=dict)  # partition -> how many were acknowledged
    came: dict[int, list[int]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _all_sent: threading.Event = field(default_factory=threading.Event)  # an append may take its time after the end was asked for
    _appending: list[threading.Thread] = field(default_factory=list)
    _reading: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for partition in range(self.partitions):
            self.sent[partition], self.came[partition] = 0, []
            self._appending.append(threading.Thread(target=self._guarded, args=(self._append, partition)))
            self._reading.append(threading.Thread(target=self._guarded, args=(self._read, partition)))
        for thread in (*self._appending, *self._reading):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._appending:
            thread.join(_PATIENCE_S)
        self._all_sent.set()
        for thread in self._reading:
            thread.join(_PATIENCE_S)
        assert not any(thread.is_alive() for thread in (*self._appending, *self._reading)), "a thread hangs"

    def check(self) -> None:
        """Nothing lost, order kept, repeats next to each other."""
        assert not self.failures
        for partition, sent in self.sent.items():
            assert sent > 0
            came = [number for number, _ in groupby(self.came[partition])]
            assert sorted(set(range(sent)) - set(came)) == [], f"partition {partition} has lost some, of {sent}"
            astray = [(before, after) for before, after in pairwise(came) if after != before + 1]
            assert astray == [], f"partition {partition} is out of order: {astray}"
            assert came == list(range(sent)), f"partition {partition} has more than was sent"

    def _guarded(self, target: Callable[[int], None], partition: int) -> None:
        try:
            target(partition)
        except BaseException as error:  # noqa: BLE001 - told by check()
            self.failures.append(error)

    def _append(self, partition: int) -> None:
        while not self._over.is_set():
            record = numbered(self.sent[partition], self.size)
            while True:
                try:
                    self.log.append(partition, record)
                    break
                except TransientError as error:
                    self.refusals.append(str(error))
                    time.sleep(_PAUSE_S)
            self.sent[partition] += 1
            time.sleep(0.002)

    def _read(self, partition: int) -> None:
        offset, deadline = 0, time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._all_sent.is_set() and self.came[partition][-1:] == [self.sent[partition] - 1]:
                return
            try:
                taken = self.log.read(partition, offset, max_bytes=2**20, timeout_s=_READ_S)
            except TransientError as error:
                self.refusals.append(str(error))
                time.sleep(_PAUSE_S)
                continue
            self.came[partition] += [int(stored.record.headers[0][1]) for stored in taken]
            offset = taken[-1].offset + 1 if taken else offset
        raise AssertionError(f"partition {partition}: {self.came[partition][-1:]} of {self.sent[partition]} came")
