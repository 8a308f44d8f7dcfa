"""All that a column has stored of its input, and how two columns must agree; imports the shared words only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import psycopg2
import pytest

Rows: TypeAlias = list[tuple[Any, ...]]

PROBABILITIES_WITHIN = 1e-5
_VISITS = """
SELECT visit_id, camera_id, session, started_at, ended_at, age_band, gender, observations, detections,
       first_box, last_box, model, detector, age, age_low, age_high, p_female, quality, band_probs
FROM visit ORDER BY visit_id
"""
_EXACT_COLUMNS = 13
_REPEAT = "repeat"
_STATEMENTS = {
    "positions": "SELECT partition, next_offset FROM log_partition ORDER BY 1",
    "coverage": "SELECT * FROM coverage ORDER BY camera_id, minute",
    "rejected": "SELECT * FROM coverage_reject ORDER BY camera_id, minute, reason",
    "states": "SELECT camera_id FROM camera_state",
    "dead_letters": "SELECT DISTINCT partition, log_offset, reason, camera_id, session, sequence FROM dead_letter ORDER BY 1, 2, 3",
    "gaps": "SELECT partition, from_offset, to_offset, reason FROM log_gap ORDER BY 1, 2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a database holds after its log was analysed."""

    exact: dict[str, Rows]  # by what they are; of visits all that is no probability
    probabilities: list[list[float]]  # of each visit, in the same order

    @property
    def visits(self) -> int:
        """How many visits there are."""
        return len(self.exact["visits"])

    def of_the_video(self) -> Stored:
        """Return what does not depend on how often a segment lies in the log: after a writer's crash it may lie there twice."""
        rejected = [row for row in self.exact["rejected"] if _REPEAT not in row]
        return replace(self, exact={what: found for what, found in self.exact.items() if what != "positions"} | {"rejected": rejected})

    @property
    def repeats(self) -> int:
        """How many records were passed over because they lie in the log twice."""
        return sum(row[-1] for row in self.exact["rejected"] if _REPEAT in row)


def stored(database_url: str) -> Stored:
    """Read everything that must not depend on how the work was cut, interrupted or shared."""
    visits = ask(database_url, _VISITS)
    exact = {what: ask(database_url, statement) for what, statement in _STATEMENTS.items()}
    exact["visits"] = [row[:_EXACT_COLUMNS] for row in visits]
    return Stored(exact=exact, probabilities=[_numbers(row[_EXACT_COLUMNS:]) for row in visits])


def ask(database_url: str, statement: str) -> Rows:
    """Return the rows of a SQL query."""
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


def tell(database_url: str, statement: str) -> None:
    """Run a SQL statement outside of a transaction."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def assert_same(one: Stored, other: Stored) -> None:
    """Check that two columns stored the same: exactly, but for the last bits of what the model said."""
    for what, rows in other.exact.items():
        assert one.exact[what] == rows, f"{what}: {_difference(one.exact[what], rows)}"
    for first, second in zip(one.probabilities, other.probabilities, strict=True):
        assert first == pytest.approx(second, abs=PROBABILITIES_WITHIN)


def _difference(one: Rows, other: Rows) -> str:
    """Return the first rows of each side that the other one has not."""
    return "; ".join(f"{[row for row in mine if row not in theirs][:3]}" for mine, theirs in ((one, other), (other, one)))


def _numbers(values: tuple[Any, ...]) -> list[float]:
    flat = [number for value in values for number in (value if isinstance(value, list) else [value])]
    return [-1.0 if number is None else float(number) for number in flat]
