"""Two `headcount worker` processes at the same time store what one does."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.e2e.command import finish
from tests.e2e.rows import ask, assert_same, stored, tell

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.command import Program
    from tests.e2e.conftest import Fed
    from tests.e2e.rows import Stored

PATIENCE_S = 60
# Who committed what, written down by the database itself.
WITNESS = """
CREATE TABLE witness (partition integer, holder uuid);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO witness VALUES (NEW.partition, NEW.holder); RETURN NEW; END $$;
CREATE TRIGGER witness AFTER UPDATE OF next_offset ON log_partition FOR EACH ROW EXECUTE FUNCTION witness();
"""


def start_and_hold(program: Program, slot: str) -> subprocess.Popen[str]:
    """Start a worker and stop it as soon as it is ready, so that both begin together."""
    process = program.start("worker", "--until-end", "--slot", slot)
    assert process.stderr is not None
    while "is ready" not in process.stderr.readline():
        assert process.poll() is None, "the worker ended before it was ready"
    process.send_signal(signal.SIGSTOP)
    return process


def test_two_workers_store_what_one_does(fed: Fed, undisturbed: Stored) -> None:
    program, together = fed.copy()
    program = program.with_settings(claim_ttl_s=PATIENCE_S)  # the first one is stopped while the second one starts, and not given up
    tell(together, WITNESS)
    workers = [start_and_hold(program, slot) for slot in ("one", "two")]
    for worker in workers:
        worker.send_signal(signal.SIGCONT)
    for worker in workers:
        assert finish(worker).code == 0
    assert_same(stored(together), undisturbed)
    assert len(ask(together, "SELECT DISTINCT holder FROM witness")) == 2
    assert len(ask(together, "SELECT DISTINCT partition FROM witness")) == 4
