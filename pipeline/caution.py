"""What the deaths of earlier claims mean for the next records of a partition; imports types only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.types import Claim

CAREFUL_FROM = 3
"""After so many claims in a row that ended without a commit, records are opened one by one."""

CONDEMNED_FROM = 3
"""After so many claims that opened a record and did not live to store it, nobody opens it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """How a claim goes on after others before it have died."""

    records: int = 0  # so many more are opened one by one, each written down before; 0: there is no need
    suspect_offset: int | None = None  # what was open when an earlier claim died
    deaths: int = 0  # claims that opened it and did not live to store it

    @classmethod
    def of(cls, claim: Claim, batch_records: int) -> Caution:
        """Return what a new claim's past calls for.

        Args:
            claim: As it was acquired.
            batch_records: A batch holds at most so many: none beyond them can have been open in the batches that were fatal.
        """
        if claim.crashes < CAREFUL_FROM:
            return cls()
        return cls(records=batch_records, suspect_offset=claim.suspect_offset, deaths=claim.suspect_count)

    @property
    def unopened(self) -> tuple[int, ...]:
        """Offsets of the records that are to be set aside without being opened."""
        return () if self.suspect_offset is None or self.deaths < CONDEMNED_FROM else (self.suspect_offset,)

    def deaths_of(self, offset: int) -> int:
        """Return how many earlier claims opened a record and did not live to store it."""
        return self.deaths if offset == self.suspect_offset else 0

    def after(self, to_offset: int) -> Caution:
        """Return what is left of it when a careful batch is stored: nothing once the culprit is passed."""
        if any(offset < to_offset for offset in self.unopened):
            return Caution()
        return replace(self, records=max(self.records - 1, 0))
