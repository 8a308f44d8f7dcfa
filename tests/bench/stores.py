"""How fast the two stores are: commits of the embedded database, appends and reads of the segment log; both wait for the disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.adapters.locallog import LocalLog
from pipeline.adapters.postgres.claims import PostgresClaims, enrol
from pipeline.adapters.postgres.database import Database
from pipeline.adapters.postgres.facts import PostgresFacts
from pipeline.adapters.postgres.logs import register_log
from pipeline.settings import Settings
from pipeline.types import BatchResult, CoverageMinute, Record
from services.clock import SystemClock
from services.segment_log import log_limits
from tests.bench.column import open_site
from tests.bench.measure import Figure, alternately, cost_of, rate, ratio
from tests.contract.samples import NOON, a_visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO

    from pipeline.types import Claim
    from tests.bench.measure import Cost
    from tests.bench.setup import Setup

_CAMERA = UUID(int=1)
_STATE = bytes(700)  # of a camera with a few open tracks
_COMMITS, _RECORDS = 300, 200
_RECORD = Record(headers=(("bench", b"1"),), value=os.urandom(2**20))  # two seconds at 4 Mbit/s
_VISITS = (0, 1, 3)
_MIB_PER_S = "MiB/s"


def stores(setup: Setup) -> list[Figure]:
    """Commits of one partition, one after the other (a minute's coverage, a camera's state, visits); the log in records of 1 MiB."""
    clock, limits = SystemClock(), log_limits(Settings())
    with tempfile.TemporaryDirectory(prefix="headcount-bench-") as name, open_site() as site:
        folder = Path(name)
        with (
            closing(Database(site.column()[1].url)) as database,
            LocalLog(folder / "log", clock=clock, limits=limits) as log,
            (folder / "plain").open("wb", buffering=0) as plain,
        ):
            committer = _Committer.of(database)
            actions: dict[str, Callable[[], Cost]] = {
                "sync": partial(_repeat, _COMMITS, partial(_write, plain, bytes(8192))),
                "plain": partial(_repeat, _RECORDS, partial(_write, plain, _RECORD.value)),
                "append": partial(_repeat, _RECORDS, partial(log.append, 0, _RECORD)),
                "read": lambda: cost_of(lambda: _read(log)),
            }
            actions |= {f"commits with {visits} visits": partial(committer.commit, visits) for visits in _VISITS}
            costs = alternately(setup.repeats, actions)
    sync = rate("plain file: 8 KiB written and synced", costs["sync"], _COMMITS, "a second")
    plain_rate = rate("plain file: 1 MiB written and synced", costs["plain"], _RECORDS, _MIB_PER_S)
    commits = [rate(name, costs[name], _COMMITS, "a second") for name in costs if name.startswith("commits")]
    append = rate("log: append, synced", costs["append"], _RECORDS, _MIB_PER_S)
    read = rate("log: read (from the page cache)", costs["read"], _RECORDS, _MIB_PER_S)
    ratios = [ratio(f"{commit.what} : plain syncs", commit, sync) for commit in commits]
    return [*commits, sync, *ratios, append, plain_rate, ratio("log's append : plain file", append, plain_rate), read]


@dataclass(slots=True, kw_only=True)
class _Committer:
    facts: PostgresFacts
    claim: Claim

    @classmethod
    def of(cls, database: Database) -> _Committer:
        log_id = register_log(database, "local:bench", [0])
        incarnation = enrol(database, slot="bench", log_id=log_id)
        (claim,) = PostgresClaims(database, incarnation, ttl_s=3600).acquire()
        return cls(facts=PostgresFacts(database, log_id=log_id, worker_id=incarnation.worker_id), claim=claim)

    def commit(self, visits: int) -> Cost:
        minute = CoverageMinute(camera_id=_CAMERA, minute=NOON, seconds=3, segments=1, frames_decoded=50, frames_analysed=10)
        results = [
            BatchResult(visits=tuple(a_visit(_CAMERA) for _ in range(visits)), coverage=(minute,), states={_CAMERA: _STATE})
            for _ in range(_COMMITS)
        ]
        return cost_of(lambda: self._commit_all(results))

    def _commit_all(self, results: Sequence[BatchResult]) -> None:
        for result in results:
            self.claim = self.facts.commit(self.claim, self.claim.next_offset + 1, result)


def _repeat(times: int, action: Callable[[], object]) -> Cost:
    return cost_of(lambda: [action() for _ in range(times)])


def _write(file: FileIO, content: bytes) -> None:
    file.write(content)
    os.fdatasync(file)


def _read(log: LocalLog) -> None:
    """Read as many records as are appended in a repeat."""
    offset = log.offsets(0).stop - _RECORDS
    while offset < log.offsets(0).stop:
        offset = log.read(0, offset, max_bytes=32 * 2**20, timeout_s=0.0)[-1].offset + 1
