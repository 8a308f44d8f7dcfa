"""The fenced commit: visits, coverage, camera states and the position in one transaction. Imports types, errors and metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from pipeline.adapters.postgres import rows
from pipeline.adapters.postgres.months import Months
from pipeline.adapters.postgres.schema import camera_state, coverage, coverage_reject, dead_letter, log_gap, log_partition, visit
from pipeline.errors import DatabaseUnavailableError, FencedError
from pipeline.metrics import FENCED, UNCONFIRMED_COMMITS, VISIT_CONFLICTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import ColumnElement, Connection, Insert

    from pipeline.adapters.postgres.database import Database
    from pipeline.types import BatchResult, Claim, CoverageMinute, DeadLetter, Visit


class PostgresFacts:
    """Implements `pipeline.ports.Facts` for one log and one worker.

    Args:
        log_id: Of the log whose partitions are claimed (`register_log`).
        worker_id: This incarnation of the worker, under which the claims were taken.
    """

    def __init__(self, database: Database, *, log_id: int, worker_id: UUID) -> None:
        self._database = database
        self._log_id = log_id
        self._worker_id = worker_id
        self._months = Months(database)
        self._advance_statement = (
            update(log_partition)
            .where(*self._guard())
            .values(next_offset=bindparam("to"), crashes=bindparam("kept"), suspect_offset=None, suspect_count=0, updated_at=func.now())
        )
        self._suspect_statement = (
            update(log_partition).where(*self._guard()).values(suspect_offset=bindparam("suspect"), suspect_count=bindparam("count"))
        )

    def load(self, claim: Claim) -> dict[UUID, bytes]:
        """Return the serialised camera states of the claim's partition."""
        chosen = select(camera_state.c.camera_id, camera_state.c.state).where(
            camera_state.c.log_id == self._log_id, camera_state.c.partition == claim.partition
        )
        with self._database.transaction() as connection:
            return {camera_id: bytes(state) for camera_id, state in connection.execute(chosen)}

    def trail(self, claim: Claim, most: int) -> list[DeadLetter]:
        """Return the dead letters directly before the claim's position (see `pipeline.ports.Facts`)."""
        chosen = (
            select(dead_letter)
            .where(dead_letter.c.log_id == self._log_id, dead_letter.c.partition == claim.partition)
            .where(dead_letter.c.log_offset.between(claim.next_offset - most, claim.next_offset - 1))
            .order_by(dead_letter.c.log_offset.desc())
        )
        with self._database.transaction() as connection:
            letters = [rows.dead_letter_of(row) for row in connection.execute(chosen).mappings()]
        return [letter for before, letter in enumerate(letters, 1) if letter.offset == claim.next_offset - before]

    def suspect(self, claim: Claim, offset: int, count: int) -> Claim:
        """Write down which record is about to be opened, behind the fence (see `pipeline.ports.Facts`)."""
        with self._database.transaction() as connection:
            parameters = {**self._place(claim), "suspect": offset, "count": count}
            if connection.execute(self._suspect_statement, parameters).rowcount == 1:
                return replace(claim, suspect_offset=offset, suspect_count=count)
        return self._refused(claim, claim.next_offset)

    def commit(self, claim: Claim, to_offset: int, result: BatchResult, *, stay_careful: bool = False) -> Claim:
        """Write a batch and move the position, all or nothing, behind the fence (see `pipeline.ports.Facts`)."""
        self._months.ensure(visit.started_at for visit in result.visits)
        kept = claim if stay_careful else replace(claim, crashes=0)
        try:
            with self._database.transaction() as connection:
                if self._advance(connection, kept, to_offset):
                    self._write(connection, claim.partition, result)
                    return replace(kept, next_offset=to_offset, suspect_offset=None, suspect_count=0)
        except DatabaseUnavailableError:
            UNCONFIRMED_COMMITS.inc()
            raise
        return self._refused(claim, to_offset)

    def confirm(self, claim: Claim, to_offset: int) -> Claim:
        """Return the claim at its committed position (see `pipeline.ports.Facts`).

        Waits for a transaction of a lost connection that is still open in the server: the answer is final.
        """
        row = log_partition.c
        held = (
            select(row.holder, row.epoch, row.next_offset, row.crashes, row.suspect_offset, row.suspect_count)
            .where(log_partition.c.log_id == self._log_id, log_partition.c.partition == claim.partition)
            .with_for_update()
        )
        with self._database.transaction() as connection:
            holder, epoch, next_offset, crashes, suspect_offset, suspect_count = connection.execute(held).one()
        if (holder, epoch) != (self._worker_id, claim.epoch):
            FENCED.inc()
            raise FencedError(f"partition {claim.partition}: another worker holds the claim; offsets up to {to_offset} were not written")
        return replace(claim, next_offset=next_offset, crashes=crashes, suspect_offset=suspect_offset, suspect_count=suspect_count)

    def _guard(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions of the fence: the partition at the position that this claim, and no other, has read from."""
        return (
            log_partition.c.log_id == bindparam("log"),
            log_partition.c.partition == bindparam("number"),
            log_partition.c.holder == bindparam("me"),
            log_partition.c.epoch == bindparam("claimed_epoch"),
            log_partition.c.next_offset == bindparam("from"),
        )

    def _place(self, claim: Claim) -> dict[str, Any]:
        """Return the parameters of the fence."""
        return {
            "log": self._log_id,
            "number": claim.partition,
            "me": self._worker_id,
            "claimed_epoch": claim.epoch,
            "from": claim.next_offset,
        }

    def _advance(self, connection: Connection, claim: Claim, to_offset: int) -> bool:
        """Move the position, first of all: its row lock orders whoever else writes this partition. The claim's crashes are stored."""
        parameters = {**self._place(claim), "to": to_offset, "kept": claim.crashes}
        return connection.execute(self._advance_statement, parameters).rowcount == 1

    def _write(self, connection: Connection, partition: int, result: BatchResult) -> None:
        if result.visits:
            _insert_visits(connection, result.visits)
        if result.coverage:
            _add_coverage(connection, rows.merged(result.coverage))
        self._write_states(connection, partition, result.states)
        if result.dead_letters:
            letters = [rows.dead_letter_row(letter, self._log_id) for letter in result.dead_letters]
            connection.execute(insert(dead_letter).values(letters).on_conflict_do_nothing())
        if result.log_gaps:
            gaps = [rows.log_gap_row(gap, self._log_id) for gap in result.log_gaps]
            connection.execute(insert(log_gap).values(gaps).on_conflict_do_nothing())

    def _write_states(self, connection: Connection, partition: int, states: Mapping[UUID, bytes | None]) -> None:
        place = {"log_id": self._log_id, "partition": partition}
        kept = [{**place, "camera_id": camera_id, "state": state} for camera_id, state in sorted(states.items()) if state is not None]
        if kept:
            connection.execute(_UPSERT_STATE, kept)
        ended = sorted(camera_id for camera_id, state in states.items() if state is None)
        if ended:
            key = tuple_(camera_state.c.log_id, camera_state.c.partition)
            connection.execute(
                camera_state.delete().where(key == (self._log_id, partition), camera_state.c.camera_id.in_(ended)),
            )

    def _refused(self, claim: Claim, to_offset: int) -> Claim:
        confirmed = self.confirm(claim, to_offset)
        if confirmed.next_offset == to_offset:  # an earlier try of this commit had landed unseen
            return confirmed
        self._abandon(claim)
        FENCED.inc()
        raise FencedError(f"partition {claim.partition}: its position is {confirmed.next_offset}, not {claim.next_offset}; claim it again")

    def _abandon(self, claim: Claim) -> None:
        """Free a claim whose holder has lost its place, so that it is claimed anew with state and position of the database."""
        mine = (
            log_partition.c.log_id == self._log_id,
            log_partition.c.partition == claim.partition,
            log_partition.c.holder == self._worker_id,
            log_partition.c.epoch == claim.epoch,
        )
        with self._database.transaction() as connection:
            connection.execute(update(log_partition).where(*mine).values(holder=None))


def _upsert_state() -> Insert:
    statement = insert(camera_state)
    return statement.on_conflict_do_update(index_elements=list(camera_state.primary_key), set_={"state": statement.excluded.state})


def _upsert_coverage() -> Insert:
    statement = insert(coverage)
    added = {name: coverage.c[name] + statement.excluded[name] for name in rows.COUNTERS}
    seconds = coverage.c.seconds.bitwise_or(statement.excluded.seconds)
    level = func.greatest(coverage.c.level, statement.excluded.level)  # the words are in the order of the alphabet, the weakest last
    return statement.on_conflict_do_update(index_elements=list(coverage.primary_key), set_={"seconds": seconds, "level": level, **added})


def _upsert_reject() -> Insert:
    statement = insert(coverage_reject)
    return statement.on_conflict_do_update(
        index_elements=list(coverage_reject.primary_key), set_={"n": coverage_reject.c.n + statement.excluded.n}
    )


_UPSERT_STATE = _upsert_state()
_UPSERT_COVERAGE = _upsert_coverage()
_UPSERT_REJECT = _upsert_reject()
_INSERT_VISIT = insert(visit).on_conflict_do_nothing().returning(visit.c.visit_id)


def _insert_visits(connection: Connection, visits: tuple[Visit, ...]) -> None:
    inserted = connection.execute(_INSERT_VISIT, [rows.visit_row(visit) for visit in visits]).all()
    VISIT_CONFLICTS.inc(len(visits) - len(inserted))


def _add_coverage(connection: Connection, minutes: list[CoverageMinute]) -> None:
    connection.execute(_UPSERT_COVERAGE, [rows.coverage_row(minute) for minute in minutes])
    rejected = [row for minute in minutes for row in rows.reject_rows(minute)]
    if rejected:
        connection.execute(_UPSERT_REJECT, rejected)
