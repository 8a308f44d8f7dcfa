"""Reads live sources for tests; a watch ends by itself after some records or some time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.adapters.camera import SourceOptions, open_source
from pipeline.errors import SourceError
from pipeline.ports import SourcePosition
from pipeline.settings import Settings
from tests.clips import Clip
from tests.clocks import RealClock
from tests.sources import CAMERA_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import Clock
    from pipeline.types import Segment

SETTINGS = Settings(segment_target_s=0.4, segment_max_s=2, connect_timeout_s=1, read_timeout_s=1)
LIVE_CLIP = Clip(fps=20, frames=60, options={"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0", "threads": "1"})


@dataclass(kw_only=True)
class Watch:
    """A live source that is read until it has given `count` records, or `limit_s` have passed; then it says its last words."""

    url: str
    count: int = 1000
    limit_s: float = 30.0
    settings: Settings = SETTINGS
    clock: Clock = field(default_factory=RealClock)
    said: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def records(self) -> Iterator[Segment]:
        """Yield the records as they come."""
        options = SourceOptions(settings=self.settings, clock=self.clock, notice=self.said.append, stop=self.stop)
        source, timer = open_source(self.url, options), threading.Timer(self.limit_s, self.stop.set)
        timer.start()
        try:
            for number, record in enumerate(source.segments(SourcePosition(camera_id=CAMERA_ID, session=3)), start=1):
                if number >= self.count:
                    self.stop.set()
                yield record
        finally:
            timer.cancel()
            source.close()

    def read(self) -> list[Segment]:
        """Return all records."""
        return list(self.records())

    def fails(self) -> SourceError:
        """Return the error that ends it."""
        try:
            records = self.read()
        except SourceError as error:
            return error
        raise AssertionError(f"expected a SourceError, got {records}")
