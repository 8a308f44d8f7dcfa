"""The only place where adapters are constructed: settings in, a column of them out."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from pipeline.adapters.detectors import make_detector
from pipeline.adapters.locallog import LocalLog
from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.deadletters import PostgresDeadLetters
from pipeline.adapters.postgres.embedded import EPHEMERAL_PREFIX, EmbeddedPostgres
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import positions_of, register_log
from pipeline.adapters.postgres.migrate import migrate
from pipeline.adapters.postgres.registry import NewCameras, PostgresRegistry
from pipeline.adapters.postgres.report import PostgresReport
from pipeline.adapters.postgres.status import PostgresStatus
from pipeline.adapters.ray import RayCrew
from pipeline.errors import DatabaseUnavailableError, HeadcountError, HungError, LogUnavailableError
from pipeline.lag import lag_of
from pipeline.lane import Equipment
from pipeline.reopening import reopening
from pipeline.spool import SpoolLimits
from pipeline.types import Decode
from pipeline.watchdog import Watchdog
from pipeline.worker import Worker
from services.brain import expect_classifier, load_brain
from services.clock import SystemClock
from services.logs import configure
from services.metrics import serve_metrics
from services.predecessors import Heir, closing_predecessors
from services.segment_log import open_log, open_shelf, partitions_of
from services.slot import lease_holder

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.adapters.ray import Begin
    from pipeline.ports import Clock, DeadLetterShelf
    from pipeline.settings import Settings
    from pipeline.types import BatchResult, Lag
    from pipeline.vitals import Vitals
    from pipeline.watch import FrameTrace
    from services.brain import Brain
    from services.segment_log import OpenedLog

T = TypeVar("T")

_PATIENCE_S = 60.0
_LANES_OF_AN_ACTOR = 1  # it has one core; more lanes than cores cost a tenth of the time (docs/decisions/speed.md)
_CONNECTIONS = 8  # of lanes, or of sources that are fed at once
_ASK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where rows and segments lie."""

    database_url: str = field(repr=False)  # holds a password
    log_path: Path
    kept: bool  # False: gone with the run

    @property
    def spool_path(self) -> Path:
        """Where live video waits that is not in the log yet."""
        return self.log_path.with_name("spool") if self.kept else self.log_path / "spool"


@contextmanager
def open_place(settings: Settings, notice: Callable[[str], None], *, kept: bool) -> Iterator[Place]:
    """Yield a migrated database and a folder for the log: the user's own, the kept embedded ones, or new ones for this run.

    Raises:
        ConfigurationError: The database or the data folder cannot be used as they are.
        DatabaseUnavailableError: The database does not answer.
    """
    with ExitStack() as stack:
        if settings.database_url is not None:
            place = Place(database_url=settings.database_url.get_secret_value(), log_path=settings.data_dir / "log", kept=True)
        else:
            server = stack.enter_context(EmbeddedPostgres(settings.data_dir, notice))
            make = partial(_kept_place, server, settings) if kept else partial(_passing_place, server, settings, stack)
            place = make()
        migrate(place.database_url)
        yield place


def _kept_place(server: EmbeddedPostgres, settings: Settings) -> Place:
    return Place(database_url=server.start(), log_path=settings.data_dir / "log", kept=True)


def _passing_place(server: EmbeddedPostgres, settings: Settings, stack: ExitStack) -> Place:
    """Make a database and a log for this run alone; sweep out what killed runs left."""
    runs = settings.data_dir / "runs"
    for left_over in runs.glob(EPHEMERAL_PREFIX + "*"):
        if left_over.name not in server.databases():
            shutil.rmtree(left_over, ignore_errors=True)
    name = f"{EPHEMERAL_PREFIX}{uuid4().hex[:12]}"
    url = server.create_database(name)
    stack.callback(_drop, server, name)
    stack.callback(shutil.rmtree, runs / name, ignore_errors=True)
    return Place(database_url=url, log_path=runs / name, kept=False)


def _drop(server: EmbeddedPostgres, name: str) -> None:
    with suppress(DatabaseUnavailableError):  # the next one to start the server drops it
        server.drop_database(name)


def spool_limits(place: Place, settings: Settings) -> SpoolLimits:
    """Return what the spools of live cameras keep to."""
    max_age_s = settings.retention_minutes * 60
    return SpoolLimits(folder=place.spool_path, max_bytes=settings.spool_max_bytes, max_age_s=max_age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One log, one database and what connects them."""

    settings: Settings
    place: Place
    clock: Clock
    log: OpenedLog
    shelf: DeadLetterShelf
    database: Database
    log_id: int

    def registry(self, slot: str | None = None) -> PostgresRegistry:
        """Return the cameras, for one ingest process; in a slot it has at once what an earlier one in it held."""
        return PostgresRegistry(
            self.database,
            log_id=self.log_id,
            new=NewCameras(site=self.settings.site, time_zone=self.settings.site_timezone, decode=Decode(self.settings.decode)),
            ttl_s=self.settings.claim_ttl_s,
            holder=lease_holder(self.log.uid(), slot),
        )

    def expire(self) -> None:
        """Delete video that is older than its retention, also where no camera sends any; brokers do it by themselves.

        Raises:
            LogUnavailableError: A file cannot be deleted.
        """
        if isinstance(self.log, LocalLog):
            self.log.expire()

    def clear(self) -> None:
        """Delete all video, when everything is analysed: nobody need wait for its retention. Brokers keep others' too, and are left alone.

        Raises:
            LogUnavailableError: A file cannot be deleted.
        """
        if isinstance(self.log, LocalLog):
            self.log.clear()

    def keep_offsets(self) -> None:
        """Give no new record an offset that workers have passed: a power failure may have lost records that were committed.

        Brokers keep theirs by copies of each record.
        """
        if not isinstance(self.log, LocalLog):
            return
        registry = self.registry()
        for partition in range(self.log.partitions):
            self.log.advance(partition, registry.committed(partition))

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask the database for something; again while it is away, for as long as an embedded one takes to come back.

        Raises:
            DatabaseUnavailableError: It stays away.
        """
        deadline = self.clock.monotonic() + _PATIENCE_S
        while True:
            try:
                return ask()
            except DatabaseUnavailableError:
                if self.clock.monotonic() >= deadline:
                    raise
            self.clock.sleep(_ASK_EVERY_S)

    def backlog(self) -> bool:
        """Say whether the log holds records that are not yet analysed and stored."""
        return any(lag.records for lag in self.lags())

    def lags(self) -> Iterator[Lag]:
        """Yield how far the work is behind the log, partition by partition."""
        now = self.clock.now()
        for partition, position in positions_of(
            self.database, self.log_id
        ).items():  # a topic may have got partitions that are not known yet
            yield lag_of(self.log, partition, position, now)

    def report(self) -> PostgresReport:
        """Return the reader of what was committed."""
        return PostgresReport(self.database)


def _name_of(uid: str, settings: Settings) -> str | None:
    """Return under which name a log is found; a topic that is made anew keeps it, a folder has none."""
    return f"{uid.rpartition('/')[0]}/{settings.kafka_topic}" if settings.kafka_bootstrap else None


@contextmanager
def open_column(place: Place, settings: Settings, *, writes_log: bool) -> Iterator[Column]:
    """Open the log and the database of a place; one process at a time may write the log."""
    clock = SystemClock()
    with ExitStack() as stack:
        log = open_log(place.log_path, settings, clock, writes=writes_log)
        stack.callback(log.close)
        shelf = stack.enter_context(open_shelf(log, settings))
        database = Database(place.database_url, pool_size=max(settings.lanes, _CONNECTIONS) + 2)
        stack.callback(database.close)
        earliest = [log.offsets(partition).start for partition in range(log.partitions)]
        log_id = register_log(database, log.uid(), earliest, name=_name_of(log.uid(), settings))
        column = Column(settings=settings, place=place, clock=clock, log=log, shelf=shelf, database=database, log_id=log_id)
        if writes_log:
            column.keep_offsets()
        yield column


@contextmanager
def open_readers(settings: Settings, notice: Callable[[str], None]) -> Iterator[tuple[PostgresStatus, OpenedLog | None]]:
    """Yield who looks at a column from outside: the reader of the database, and of the log where it can be had."""
    with ExitStack() as stack:
        place = stack.enter_context(open_place(settings, notice, kept=True))
        database = Database(place.database_url, pool_size=1)
        stack.callback(database.close)
        try:
            log = open_log(place.log_path, settings, SystemClock(), writes=False)
            stack.callback(log.close)
        except LogUnavailableError:
            log = None
        yield PostgresStatus(database, ttl_s=settings.claim_ttl_s), log


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """What is known of dead letters, and where their bytes may be."""

    stored: PostgresDeadLetters
    log: OpenedLog | None = None  # None: it cannot be read from here
    shelf: DeadLetterShelf | None = None
    trouble: str | None = None  # why not


@contextmanager
def open_letters(settings: Settings, notice: Callable[[str], None]) -> Iterator[Letters]:
    """Yield who looks at dead letters from outside."""
    with ExitStack() as stack:
        place = stack.enter_context(open_place(settings, notice, kept=True))
        database = Database(place.database_url, pool_size=1)
        stack.callback(database.close)
        letters = Letters(stored=PostgresDeadLetters(database))
        try:
            log = open_log(place.log_path, settings, SystemClock(), writes=False)
            stack.callback(log.close)
            letters = replace(letters, log=log, shelf=stack.enter_context(open_shelf(log, settings)))
        except LogUnavailableError as error:
            letters = replace(letters, trouble=str(error))
        yield letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told what a worker does."""

    notice: Callable[[str], None]  # a line for the user
    on_commit: Callable[[BatchResult], None] = lambda _: None
    watchdog: Watchdog | None = None  # none: a lane that hangs is found when the worker stops


@contextmanager
def _leaving(claims: PostgresClaims) -> Iterator[None]:
    """Give the slot back after the block; not where a lane hangs or a bug ends it, for then the claims count as those of the dead."""
    try:
        yield
    except HungError:
        raise
    except HeadcountError:
        with suppress(DatabaseUnavailableError):
            claims.leave()
        raise
    with suppress(DatabaseUnavailableError):  # the slot lapses by itself
        claims.leave()


@contextmanager
def open_worker(column: Column, brain: Brain, stop: threading.Event, *, slot: str, told: Told) -> Iterator[Worker]:
    """Yield a worker of the column in a slot; an earlier one in the same slot is superseded."""
    heartbeat = Database(column.place.database_url, pool_size=2)  # its own: renewing never waits for a lane, nor for a claim
    try:
        incarnation = enrol(heartbeat, slot=slot, log_id=column.log_id)
        claims = PostgresClaims(heartbeat, incarnation, ttl_s=column.settings.claim_ttl_s)
        equipment = Equipment(
            log=column.log,
            shelf=column.shelf,
            facts=PostgresFacts(column.database, log_id=column.log_id, worker_id=incarnation.worker_id),
            engine=brain.engine,
            classifier=brain.classifier,
            settings=column.settings,
            clock=column.clock,
            stop=stop,
            notice=told.notice,
            beat=told.watchdog.beat if told.watchdog is not None else lambda: None,
        )
        heir = Heir(database=column.database, incarnation=incarnation, engine=brain.engine, ttl_s=column.settings.claim_ttl_s)
        with _leaving(claims), closing_predecessors(heir):
            yield Worker(claims, equipment, told.on_commit, told.watchdog)
    finally:
        heartbeat.close()


def work_in_slot(place: Place, settings: Settings, slot: str, stop: threading.Event, vitals: Vitals) -> None:
    """Run a worker in this process until it is stopped; what it does is told to `vitals`.

    Raises:
        HeadcountError: It cannot go on.
    """
    configure(settings)
    serve_metrics(settings.metrics_port)
    settings = settings.model_copy(update={"lanes": settings.lanes or _LANES_OF_AN_ACTOR})
    with closing(Watchdog(settings.hang_s)) as watchdog:

        def on_frame(trace: FrameTrace) -> None:
            watchdog.beat()
            vitals.on_frame(trace)

        brain = load_brain(settings, vitals.notice, on_frame, watchdog.beat)
        told = Told(notice=vitals.notice, on_commit=vitals.on_commit, watchdog=watchdog)

        def work() -> None:
            with (
                open_column(place, settings, writes_log=False) as column,
                open_worker(column, brain, stop, slot=slot, told=told) as worker,
            ):
                worker.run()

        reopening(work, stop, vitals.notice)


def make_crew(place: Place, settings: Settings, address: str | None) -> RayCrew:
    """Return Ray actors that work on a place: on this machine, or in the cluster at `address`."""
    workers = max(settings.actors, settings.actors_max)
    return RayCrew(partial(_in_slot, place, settings), address=address, data_dir=settings.data_dir, workers=workers)


def _in_slot(place: Place, settings: Settings, slot: str) -> Begin:
    return partial(work_in_slot, place, settings, slot)


def settle(settings: Settings, notice: Callable[[str], None]) -> Settings:
    """Load the models once, and return the settings with every choice made, so that all workers make the same.

    Raises:
        ConfigurationError: A model that was asked for is missing or is not what it should be.
    """
    expect_classifier(settings, lambda _: None)  # where Triton is away, whoever classifies says so
    detector = make_detector(settings, notice).name.partition("-")[0].partition("@")[0]
    return settings.model_copy(update={"detector": detector, "actors": settings.actors or min(_cores(), partitions_of(settings))})


def lanes_of(settings: Settings) -> int:
    """Return how many partitions the workers of a run analyse at once; of settled settings."""
    return settings.actors * (settings.lanes or _LANES_OF_AN_ACTOR) if settings.ray else settings.lanes or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0))
