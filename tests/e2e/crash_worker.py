"""A worker that signals itself at the n-th time of a named point, with or without its fence; a program of the tests.

    python -m tests.e2e.crash_worker SLOT [--at POINT --time N --signal SIGKILL|SIGSTOP] [--fence kept|off|apart] [--stay]

At the end it writes how many commits the fence has refused.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import update

from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.schema import log_partition
from pipeline.lane import Equipment
from pipeline.metrics import FENCED
from pipeline.settings import load_settings
from pipeline.types import BatchResult
from pipeline.worker import Worker
from services.brain import load_brain
from services.logs import configure
from services.metrics import serve_metrics
from services.wiring import open_column, open_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy import Connection

    from pipeline.ports import Classifier
    from pipeline.types import Attributes, Claim, UInt8
    from services.brain import Brain
    from services.wiring import Column, Place

Hook: TypeAlias = "Callable[[str], None]"

_ASKING_S = 0.005  # the request is on its way; a batch takes longer
TRANSACTION_TIMEOUT_S = 2  # a worker that is stopped inside its transaction holds the row no longer


class FactsWithPoints(PostgresFacts):
    """The real thing; `after_fence` lies inside its transaction."""

    def __init__(self, database: Database, log_id: int, worker_id: UUID, at: Hook) -> None:
        super().__init__(database, log_id=log_id, worker_id=worker_id)
        self.log_id = log_id
        self.at = at

    def _advance(self, connection: Connection, claim: Claim, to_offset: int) -> bool:
        advanced = super()._advance(connection, claim, to_offset)
        self.at("after_fence")
        return advanced


class FactsWithoutFence(FactsWithPoints):
    """A control: whoever commits is believed."""

    def _advance(self, connection: Connection, claim: Claim, to_offset: int) -> bool:
        mine = (log_partition.c.log_id == self.log_id, log_partition.c.partition == claim.partition)
        connection.execute(update(log_partition).where(*mine).values(next_offset=to_offset))
        self.at("after_fence")
        return True


class FactsApart(FactsWithPoints):
    """A control: what is counted in one transaction, how far the work is (position and states) in a second one."""

    def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
        with self._database.transaction() as connection:
            self._write(connection, claim.partition, replace(result, states={}))
        self.at("between")
        return super().commit(claim, to_offset, BatchResult(states=result.states), stay_careful=stay_careful)


class ClassifierWithPoint:
    """The real thing; `asking` is reached while the answer is waited for, where that takes longer than the delay."""

    def __init__(self, classifier: Classifier, at: Hook) -> None:
        self._classifier = classifier
        self._at = at

    @property
    def name(self) -> str:
        return self._classifier.name

    def classify(self, crops: UInt8) -> Attributes:
        if len(crops):
            threading.Timer(_ASKING_S, self._at, ("asking",)).start()
        return self._classifier.classify(crops)


_FACTS = {"kept": FactsWithPoints, "off": FactsWithoutFence, "apart": FactsApart}


def main() -> None:
    """Work until everything in the log is analysed (unless it is to stay), or a signal comes."""
    options = _options()
    settings = load_settings()
    configure(settings)
    serve_metrics(settings.metrics_port)
    at = _signal_at(options.at, options.time, signal.Signals[options.signal])
    brain = load_brain(settings, _silent, lambda _: at("decoding"))
    with ExitStack() as stack:
        place = stack.enter_context(open_place(settings, _silent, kept=True))
        column = stack.enter_context(open_column(place, settings, writes_log=False))
        lanes, heartbeat = (_database(stack, place, size) for size in (8, 1))
        incarnation = enrol(heartbeat, slot=options.slot, log_id=column.log_id)
        claims = PostgresClaims(heartbeat, incarnation, ttl_s=settings.claim_ttl_s)
        facts = _FACTS[options.fence](lanes, column.log_id, incarnation.worker_id, at)
        Worker(claims, _equipment(column, brain, facts)).run(until_end=None if options.stay else _already())
        claims.leave()
    print(int(next(iter(FENCED.collect())).samples[0].value))  # noqa: T201 - the test reads it


def _database(stack: ExitStack, place: Place, pool_size: int) -> Database:
    database = Database(place.database_url, pool_size=pool_size, transaction_timeout_s=TRANSACTION_TIMEOUT_S)
    stack.callback(database.close)
    return database


def _equipment(column: Column, brain: Brain, facts: FactsWithPoints) -> Equipment:
    return Equipment(
        log=column.log,
        shelf=column.shelf,
        facts=facts,
        engine=brain.engine,
        classifier=ClassifierWithPoint(brain.classifier, facts.at),
        settings=column.settings,
        clock=column.clock,
        stop=threading.Event(),
        at=facts.at,
    )


def _already() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("slot")
    parser.add_argument("--at", default="")
    parser.add_argument("--time", type=int, default=1)
    parser.add_argument("--signal", choices=("SIGKILL", "SIGSTOP"), default="SIGKILL")
    parser.add_argument("--fence", choices=tuple(_FACTS), default="kept")
    parser.add_argument("--stay", action="store_true")
    return parser.parse_args()


def _signal_at(point: str, time: int, number: signal.Signals) -> Hook:
    lock = threading.Lock()
    reached = 0

    def at(name: str) -> None:
        nonlocal reached
        if name != point:
            return
        with lock:
            reached += 1
            due = reached == time
        if due:
            os.kill(os.getpid(), number)

    return at


def _silent(message: str) -> None:
    del message


if __name__ == "__main__":
    main()
