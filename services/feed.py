"""Feeds sources into the log of a column, a thread each; used by `headcount run` and `headcount ingest`."""

from __future__ import annotations

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import structlog

from pipeline.adapters.camera import SourceOptions, expand, open_source, redact
from pipeline.backlog import Backlog
from pipeline.errors import ConfigurationError, HeadcountError, LogReplacedError, SourceError, TransientError
from pipeline.ingest import Ingest
from pipeline.send import IngestOutcome
from pipeline.spool_files import sweep
from pipeline.types import Decode, to_us
from services.clock import SystemClock
from services.wiring import spool_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from uuid import UUID

    from pipeline.adapters.camera import NamedSource
    from pipeline.settings import Settings
    from pipeline.types import Camera, Segment
    from services.progress import RunProgress
    from services.source_list import ListedSource
    from services.wiring import Column

_log = structlog.get_logger()

_FILES_AT_ONCE = 4
_BACKLOG_S = 0.05
_HELD_BEYOND_S = 1.0  # the database's clock decides when a lease has lapsed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """What the user asked for."""

    sources: Sequence[str]
    names: Sequence[str] = ()  # of the cameras of `sources`, in order
    listed: Sequence[ListedSource] = ()  # further ones
    slot: str | None = None  # where many processes may write the log: whose cameras this one has at once
    fps: float = 1.0  # of a folder of pictures
    start: datetime | None = None
    pace: bool = False
    decode: Literal["all", "gated", "keyframes"] | None = None  # None: as before; a new camera as the settings say


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A source and its camera."""

    source: NamedSource
    camera: Camera


def register(column: Column, named: Sequence[NamedSource], options: FeedOptions) -> list[Feed]:
    """Register the sources as cameras; of an address only the redacted form is stored."""
    registry = column.registry()
    decode = None if options.decode is None else Decode(options.decode)
    return [Feed(source=source, camera=registry.register(source.name, redact(source.address), decode)) for source in named]


def usable_sources(options: FeedOptions, settings: Settings) -> tuple[list[NamedSource], list[SourceError]]:
    """Return the sources that open, under their cameras' names, and why the others do not; URLs are tried when it is their turn.

    Raises:
        SourceError: None opens.
        ConfigurationError: The names are not as many as the cameras.
    """
    failures: list[SourceError] = []
    found = _expanded(options.sources, failures)
    if options.names and len(options.names) != len(found):
        raise ConfigurationError(f"--name: got {len(options.names)} for {len(found)} cameras; give each camera one, in order")
    wanted = [source and replace(source, name=name) for source, name in zip(found, options.names, strict=True)] if options.names else found
    for listed in options.listed:
        several = _expanded([listed.address], failures)
        wanted += [source and replace(source, name=listed.name or source.name) for source in several]
    usable: list[NamedSource] = []
    for source in _distinct(wanted):
        try:
            open_source(source.address, SourceOptions(settings=settings, clock=SystemClock())).close()
            usable.append(source)
        except SourceError as error:
            failures.append(error)
    if not usable:
        raise failures[0]
    return usable, failures


def _expanded(texts: Sequence[str], failures: list[SourceError]) -> list[NamedSource | None]:
    """Return the sources that texts stand for; None is one that cannot be, in its place for the names."""
    found: list[NamedSource | None] = []
    for text in texts:
        try:
            found += expand(text)
        except SourceError as error:
            failures.append(error)
            found.append(None)
    return found


def _distinct(wanted: Sequence[NamedSource | None]) -> list[NamedSource]:
    """Return the sources that are there, with their names made distinct."""
    named: list[NamedSource] = []
    for source in wanted:
        if source is not None:
            taken = {other.name for other in named}
            name = next(name for name in _numbered(source.name) if name not in taken)
            named.append(replace(source, name=name))
    return named


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def is_live(feed: Feed) -> bool:
    """Say whether the source has an address instead of a path."""
    return "://" in feed.source.address


class Feeding:
    """Sources on their way into the log: a thread each, and what became of them."""

    def __init__(
        self,
        column: Column,
        options: FeedOptions,
        progress: RunProgress,
        notice: Callable[[str], None],
        *,
        expiry_s: float = 5.0,  # how often video that is old is deleted, also where no camera sends any
        away_s: float = 15.0,  # a camera that is away is tried again after this time
    ) -> None:
        self.stop_feeding = threading.Event()
        self.stop_work = threading.Event()
        self.fed = threading.Event()  # nothing more will come
        self.failures: list[HeadcountError] = []
        self.sessions: list[tuple[UUID, int]] = []  # (camera_id, session) of what was fed, wholly or in part
        self.interrupted = False
        self.replaced: LogReplacedError | None = None  # the log was made anew: open everything anew, and feed again
        self._live_feeds = 0
        self._out: set[UUID] = set()  # live cameras of which nothing comes any more, or has come since they failed
        self._away_s = away_s if options.slot is not None else None
        self._progress = progress
        self._column = column
        self._notice = notice
        self._expiry_s = expiry_s
        self._spool = spool_limits(column.place, column.settings)
        self._source_options = SourceOptions(
            settings=column.settings,
            clock=column.clock,
            fps=options.fps,
            start=options.start,
            pace=options.pace,
            notice=notice,
            stop=self.stop_feeding,
        )
        self._ingest = Ingest(
            log=column.log,
            registry=column.registry(options.slot),
            clock=column.clock,
            stop=self.stop_feeding,
            backlog=Backlog(column.settings.uncommitted_max_bytes),
            spool=self._spool,
            stop_timeout_s=column.settings.stop_timeout_s,
            held_patience_s=column.settings.claim_ttl_s + _HELD_BEYOND_S,
            progress=self._on_segment,
        )

    @contextmanager
    def running(self, feeds: Sequence[Feed], *, after_backlog: bool = False) -> Iterator[None]:
        """Feed in a thread of its own while the block runs; its end stops what still feeds, and shows what went wrong there.

        Args:
            feeds: What to feed.
            after_backlog: Wait until what an earlier run left in the log is analysed: the first append may delete what is old.
        """
        self._live_feeds = sum(map(is_live, feeds))
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
            feeding = pool.submit(self._feed, feeds, after_backlog=after_backlog)
            try:
                yield
            finally:
                self.stop_feeding.set()
        feeding.result()

    def _feed(self, feeds: Sequence[Feed], *, after_backlog: bool) -> None:
        """Carry all sources into the log; paced and live ones all at once, files as they are read, a few at a time."""
        at_once = len(feeds) if self._source_options.pace else self._live_feeds + _FILES_AT_ONCE
        try:
            if after_backlog:
                self._wait_for_backlog()
            with ThreadPoolExecutor(at_once, thread_name_prefix="ingest") as pool:
                feeding = [pool.submit(self._feed_one, feed) for feed in feeds]
                self._expire_during(feeding)
            for fed in feeding:
                fed.result()
        finally:
            self.fed.set()  # also after a failure: who works until the end must not wait for ever

    def _wait_for_backlog(self) -> None:
        said = False
        while not self.stop_feeding.is_set() and self._may_have_backlog():
            if not said:
                self._notice("what an earlier run has left in the log is analysed first")
                said = True
            self.stop_feeding.wait(_BACKLOG_S)

    def _may_have_backlog(self) -> bool:
        try:
            return self._column.backlog()
        except TransientError:
            return True  # nobody can tell now

    def _expire_during(self, feeding: Sequence[Future[None]]) -> None:
        self._sweep()
        while wait(feeding, timeout=self._expiry_s).not_done:
            with suppress(TransientError):  # what could not be deleted is tried again
                self._column.expire()
            self._sweep()

    def _sweep(self) -> None:
        """Delete old video of cameras that nobody feeds any more; those that are fed look after their own."""
        oldest = self._column.clock.now() - timedelta(seconds=self._spool.max_age_s)
        deleted = 0
        with suppress(OSError):  # a folder that cannot be read; whoever needs it says so
            deleted = sweep(self._spool.folder, to_us(oldest) // 1000)
        if deleted:
            _log.warning("spool_swept", records=deleted)

    def interrupt(self) -> None:
        """Stop feeding, and end after the batch in hand; where there are cameras, after what they have sent: their visits end too."""
        self.interrupted = True
        self.stop_feeding.set()
        if not self._live_feeds:
            self.stop_work.set()

    def _feed_one(self, feed: Feed) -> None:
        try:
            self._feed_to_its_end(feed)
        except Exception:  # a bug; the others may go on for weeks before it is raised
            _log.exception("feeding_failed", camera=feed.camera.name)
            self._notice(f"camera {feed.camera.name!r} is not fed any more, by a fault of Headcount; start this process again")
            raise

    def _feed_to_its_end(self, feed: Feed) -> None:
        while not self.stop_feeding.is_set():
            outcome = self._carried(feed)
            if is_live(feed):
                self._out.add(feed.camera.camera_id)
            again = self._is_tried_again(feed, outcome)
            if again:
                outcome.failure = None
            self._conclude(feed.camera, outcome)
            if not again:
                return

    def _is_tried_again(self, feed: Feed, outcome: IngestOutcome) -> bool:
        """Say whether a source is begun anew: its clock was set, or it is away, in a slot where others send or may send meanwhile.

        Where none sends, the process ends: whoever runs it is to see that nothing is fed.
        """
        failure = outcome.failure
        if not isinstance(failure, SourceError):
            return False
        if failure.kind == "clock_set":
            self._notice(str(failure))
            return True
        if self._away_s is None or not is_live(feed) or failure.kind not in SourceError.MACHINE_KINDS:
            return False
        _log.warning("camera_away", camera=feed.camera.name, kind=failure.kind, error=str(failure))
        return not self.stop_feeding.wait(self._away_s) and len(self._out) < self._live_feeds

    def _on_segment(self, segment: Segment) -> None:
        self._out.discard(segment.camera_id)
        self._progress.on_segment(segment)

    def _carried(self, feed: Feed) -> IngestOutcome:
        """Carry one source as one session, and say what became of it."""
        try:
            source = open_source(feed.source.address, self._source_options)
            try:
                return self._ingest.run(source, feed.camera)
            finally:
                source.close()
        except HeadcountError as error:
            return IngestOutcome(failure=error)

    def _conclude(self, camera: Camera, outcome: IngestOutcome) -> None:
        if outcome.session is not None:
            self.sessions.append((camera.camera_id, outcome.session))
        if outcome.refused:
            self._notice(
                f"{outcome.refused} segments were larger than the log carries and were left out: "
                f"camera {camera.name!r}; raise HEADCOUNT_SEGMENT_MAX_BYTES"
            )
        if outcome.spooled:
            self._notice(f"camera {camera.name!r}: {outcome.spooled} records wait on disk; the next start sends them")
        if isinstance(outcome.failure, LogReplacedError):
            self.replaced = outcome.failure
            self.stop_feeding.set()  # those that have nothing to send now do not notice
        if outcome.failure is not None:
            self.failures.append(outcome.failure)
            self._notice(f"headcount: {outcome.failure}")


@contextmanager
def interruptible(feeding: Feeding, notice: Callable[[str], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run in good order; a second one ends it at once, as signals do."""

    def interrupt(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        notice("stopping in good order; once more stops at once")
        feeding.interrupt()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
