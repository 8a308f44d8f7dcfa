"""Exactly once under Ray: whatever is killed, whenever, the rows are those of an undisturbed run; on the embedded column and with servers.

A seed, which is printed, decides what is killed in which order; `--chaos-seed` gives it again, `--chaos-minutes` goes on for so long.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chaos.ground import prepare
from tests.e2e.chaos.killer import Killer
from tests.e2e.chaos.meters import Meters
from tests.e2e.chaos.schedule import OF_SERVERS, Kind, Schedule
from tests.e2e.chaos.service import Service
from tests.e2e.chaos.strikes import strikes
from tests.e2e.rows import assert_same

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.chaos.ground import Ground
    from tests.e2e.command import Program
    from tests.e2e.servers import Servers

CAMERAS, CAMERAS_OF_THE_LONG_FORM = 24, 72
PARTITIONS = 8
TTL_S = 3.0
EMBEDDED, PRODUCTION = "embedded", "production"
SHORT_EMBEDDED = (Kind.ACTOR, Kind.ZOMBIE, Kind.DRIVER, Kind.POSTMASTER)  # the production column's short form has every kind


@pytest.fixture(scope="module", params=[EMBEDDED, PRODUCTION])
def column(request: pytest.FixtureRequest) -> str:
    """Where the log and the model are: here, or at servers."""
    return str(request.param)


@pytest.fixture(scope="module")
def meters(column: str) -> Iterator[Meters]:
    del column  # each has its own
    with Meters() as meters:
        yield meters


@pytest.fixture(scope="module")
def ground(
    headcount: Program, demo_clip: Path, server_dir: Path, meters: Meters, column: str, request: pytest.FixtureRequest
) -> Iterator[Ground]:
    """A log of a commit for each second of each camera."""
    program = headcount.with_settings(
        actors=2,
        claim_ttl_s=TTL_S,
        commit_segments=1,
        data_dir=server_dir / f"chaos-{column}",
        metrics_port=meters.port,
        partitions=PARTITIONS,
        renew_s=TTL_S / 4,
        retention_minutes=1000,
        segment_target_s=1,
    )
    servers: Servers | None = None
    if column == PRODUCTION:
        servers = request.getfixturevalue("servers")
        program = servers.column(program, PARTITIONS)
    cameras = CAMERAS_OF_THE_LONG_FORM if request.config.getoption("--chaos-minutes") else CAMERAS
    ground = prepare(program, servers, demo_clip, cameras)
    yield ground
    ground.close()


def kinds_of(ground: Ground, *, long: bool) -> Sequence[Kind]:
    """Return what is done to a column: all that can be, but once to the embedded one what does not depend on its servers."""
    if ground.servers is not None:
        return list(Kind)
    return [kind for kind in Kind if kind not in OF_SERVERS] if long else SHORT_EMBEDDED


@dataclass(slots=True, kw_only=True)
class Account:
    """What the rounds came to."""

    seed: int
    schedule: Schedule
    rounds: int = 0
    commits: int = 0
    driver_starts: int = 0
    rows: int = 0

    def lines(self, meters: Meters) -> list[str]:
        """Return a table of two columns."""
        sums = meters.sums()
        counted = {
            "workers replaced": "headcount_workers_replaced_total",
            "database restarts": "headcount_database_restarts_total",
            "fenced": "headcount_fenced_total",
            "conflicts": "headcount_visit_conflicts_total",
            "lost connections": "headcount_database_unavailable_total",
            "commits in doubt": "headcount_unconfirmed_commits_total",
            "records opened alone": "headcount_careful_records_total",
            "dead letters": "headcount_dead_letters_total",
        }
        table = {
            "seed": self.seed,
            "rounds": self.rounds,
            "commits": self.commits,
            **{kind.value: self.schedule.done[kind] for kind in self.schedule.kinds},
            "driver starts": self.driver_starts,
            **{said: sums.get(name, 0) for said, name in counted.items()},
            "rows compared": self.rows,
        }
        return [f"{said:<56}{number:>10}" for said, number in table.items()]


@pytest.mark.timeout(0)  # each wait in it has its own limit
def test_killed_at_any_moment(
    ground: Ground, meters: Meters, server_dir: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    given = pytestconfig.getoption("--chaos-seed")
    seed = secrets.randbelow(2**32) if given is None else given
    say(capsys, f"chaos: seed {seed}")
    minutes = pytestconfig.getoption("--chaos-minutes")
    account = Account(seed=seed, schedule=Schedule(seed, kinds_of(ground, long=minutes > 0), minutes))
    more = {} if ground.servers is None else strikes(ground.servers)
    while account.schedule.next() is not None:
        ground.renew()
        with Service(ground.program, server_dir / "chaos.out") as service:
            Killer(ground=ground, service=service, schedule=account.schedule, meters=meters, more=more).run()
        sys.stdout.write(service.last_words())  # shown where the test fails
        found = ground.stored()
        assert_same(found, ground.undisturbed)
        account.rounds += 1
        account.commits += sum(ground.ends.values())
        account.driver_starts += service.starts
        account.rows += sum(map(len, found.exact.values()))
    say(capsys, *account.lines(meters))
    sums = meters.sums()
    assert sums["headcount_visit_conflicts_total"] == 0
    assert sums["headcount_fenced_total"] > 0


@pytest.mark.timeout(0)
def test_control_a_worker_without_its_fence_spoils_the_rows(
    ground: Ground, meters: Meters, server_dir: Path, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--chaos-minutes"):
        pytest.skip("a part of the long form (--chaos-minutes); test_crash.py has controls for plain workers")
    ground.renew()
    with Service(ground.program, server_dir / "control.out") as service:
        Killer(ground=ground, service=service, schedule=Schedule(0, SHORT_EMBEDDED), meters=meters).run_without_a_fence()
    with pytest.raises(AssertionError, match=r"coverage|rejected"):
        assert_same(ground.stored(), ground.undisturbed)


def say(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - whoever runs the test is to see it
