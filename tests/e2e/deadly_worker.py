"""A worker whose detector cannot bear one record; a program of the tests.

    python -m tests.e2e.deadly_worker SLOT PARTITION OFFSET die|raise

`die`: the process kills itself in the middle of the record, as a fault in a native library would. `raise`: the detector fails.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.adapters.detectors import make_detector
from pipeline.engine import Engine
from pipeline.settings import load_settings
from services.brain import Brain, load_classifier
from services.wiring import Told, open_column, open_place, open_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.engine import Take
    from pipeline.ports import Detector
    from pipeline.settings import Settings
    from pipeline.types import CameraState, Detections, Segment, StoredRecord, UInt8


class Touchy:
    """A `Detector` that ends at the sight of a certain record."""

    def __init__(self, detector: Detector, does: str) -> None:
        self.name = detector.name
        self._detector = detector
        self._does = does
        self._thread = threading.local()

    @contextmanager
    def seeing(self, *, it: bool) -> Iterator[None]:
        """Let the calling thread look at the record, or at another one."""
        self._thread.sees_it = it
        yield
        self._thread.sees_it = False

    def detect(self, picture: UInt8) -> Detections:
        if self._thread.sees_it and self._does == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._thread.sees_it:
            raise RuntimeError("the detector cannot bear it")
        return self._detector.detect(picture)


class TouchyEngine(Engine):
    """Tells its detector which record it looks at."""

    def __init__(self, detector: Touchy, settings: Settings, it: tuple[int, int]) -> None:
        super().__init__(detector, settings)
        self._detector = detector
        self._it = it

    def _look(self, take: Take, state: CameraState, segment: Segment, stored: StoredRecord) -> CameraState:
        with self._detector.seeing(it=(stored.partition, stored.offset) == self._it):
            return super()._look(take, state, segment, stored)


def main(slot: str, partition: str, offset: str, does: str) -> None:
    """Work until everything in the log is analysed; notices go to stdout."""
    settings = load_settings()
    classifier = load_classifier(settings)
    detector = Touchy(make_detector(settings, _say), does)
    engine = TouchyEngine(detector, settings, (int(partition), int(offset)))
    drained = threading.Event()
    drained.set()
    with (
        open_place(settings, _say, kept=True) as place,
        open_column(place, settings, writes_log=False) as column,
        open_worker(column, Brain(engine=engine, classifier=classifier), threading.Event(), slot=slot, told=Told(notice=_say)) as worker,
    ):
        worker.run(until_end=drained)


def _say(message: str) -> None:
    print(message, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
