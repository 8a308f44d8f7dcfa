"""A record that kills each worker which opens it: after six deaths it is set aside, and nothing else is lost or blamed."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.rows import ask, assert_same, stored

if TYPE_CHECKING:
    from tests.e2e.command import Program
    from tests.e2e.conftest import Fed
    from tests.e2e.rows import Rows, Stored

WORKER = (sys.executable, "-m", "tests.e2e.deadly_worker")
OFFSET = 2  # of a segment in the middle of the recording
MOST_DEATHS = 6
REASON = 2


def without_reasons(rows: Stored) -> Rows:
    """Return the dead letters, and take them out of the rest."""
    return [row[:REASON] + row[REASON + 1 :] for row in rows.exact.pop("dead_letters")]


def work_until_done(program: Program, *arguments: str) -> tuple[int, str]:
    """Start the worker in its slot again and again; return how often it died, and what the last one said."""
    deaths = 0
    while True:
        ended = program.running(*WORKER)("a", *arguments)
        if ended.code == 0:
            return deaths, ended.stdout
        assert ended.code == -signal.SIGKILL, ended
        deaths += 1
        assert deaths <= MOST_DEATHS, "the record is opened again and again"


@pytest.mark.parametrize("names", [("fed", "undisturbed"), ("fed_kafka", "undisturbed_kafka")], ids=["embedded", "production"])
def test_a_record_that_kills_is_set_aside_and_the_rest_is_as_ever(names: tuple[str, str], request: pytest.FixtureRequest) -> None:
    """All four partitions are worked at once, so that each death also hits three that hold no such record."""
    fed: Fed = request.getfixturevalue(names[0])
    undisturbed: Stored = request.getfixturevalue(names[1])
    program, database = fed.copy()
    program = program.with_settings(commit_segments=64, commit_s=600)  # on a busy machine a batch must not be cut before the record
    ((partition, camera),) = ask(database, "SELECT partition, camera_id FROM camera WHERE name = 'b'")
    it = (str(partition), str(OFFSET))
    deaths, said = work_until_done(program, *it, "die")
    found = stored(database)
    assert deaths == MOST_DEATHS
    assert f"partition {partition}: 3 workers died of record {OFFSET}; it is set aside unopened" in said
    assert [row[: REASON + 2] for row in found.exact["dead_letters"]] == [(partition, OFFSET, "killed_worker", camera)]

    program, database = fed.copy()
    assert work_until_done(program, *it, "raise")[0] == 0
    failed = stored(database)
    assert [row[REASON] for row in failed.exact["dead_letters"]] == ["analysis_error"]
    assert without_reasons(found) == without_reasons(failed)
    assert_same(found, failed)
    for what in ("visits", "coverage"):
        others = [row for row in undisturbed.exact[what] if camera not in row]
        assert [row for row in found.exact[what] if camera not in row] == others, what
        assert found.exact[what] != undisturbed.exact[what], "what that segment showed is gone"
