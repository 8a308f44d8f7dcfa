"""Records in a row that could not be used, over all partitions of a worker; imports types, errors and metrics only."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from pipeline.errors import TooManyDeadLettersError
from pipeline.metrics import DEAD_LETTER_STREAK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from pipeline.types import DeadLetter

    Outcome: TypeAlias = DeadLetter | None  # of a record with video: why it could not be used; None: it could

_Run: TypeAlias = "Counter[tuple[UUID | None, str]]"  # camera (None: the header could not be read) and reason -> how many
_SHOWN = 3  # reasons


class Streak:
    """Tells one bad camera from a sender or a Headcount that is at fault. Safe to use from several threads.

    A camera counts with at most half of the limit, however many letters it gives: it alone stops nobody, and together with
    another one only where both give many. Records of which nobody knows the camera count fully.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, _Run] = {}  # by partition

    def resume(self, partition: int, letters: Iterable[DeadLetter]) -> None:
        """Go on where earlier holders of a partition were: so a worker that is started again stops again, at the same record.

        Args:
            partition: That was claimed.
            letters: Of the records directly before its position.
        """
        with self._lock:
            self._runs[partition] = Counter((letter.camera_id, letter.reason) for letter in letters)

    def check(self, outcomes: Sequence[Outcome], partition: int, limit: int) -> None:
        """Look at a batch before it is committed.

        Raises:
            TooManyDeadLettersError: It makes the limit full.
        """
        with self._lock:
            runs = {number: Counter(run) for number, run in self._runs.items()}
        for outcome in outcomes:
            _add(runs, partition, outcome)
            if outcome is not None and _is_full(runs, limit):
                raise TooManyDeadLettersError(_complaint(runs, outcome))

    def store(self, outcomes: Sequence[Outcome], partition: int) -> None:
        """Take note of a batch that was committed."""
        with self._lock:
            for outcome in outcomes:
                _add(self._runs, partition, outcome)
            DEAD_LETTER_STREAK.set(sum(map(Counter.total, self._runs.values())))


def _add(runs: dict[int, _Run], partition: int, outcome: Outcome) -> None:
    if outcome is None:
        runs.clear()
    else:
        runs.setdefault(partition, Counter())[outcome.camera_id, outcome.reason] += 1


def _is_full(runs: dict[int, _Run], limit: int) -> bool:
    if sum(map(Counter.total, runs.values())) < limit:
        return False
    cameras: Counter[UUID | None] = Counter()
    for run in runs.values():
        for (camera_id, _), number in run.items():
            cameras[camera_id] += number
    nobodys = cameras.pop(None, 0)
    half = (limit + 1) // 2
    return nobodys + len(cameras) > 1 and nobodys + sum(min(number, half) for number in cameras.values()) >= limit


def _complaint(runs: dict[int, _Run], last: DeadLetter) -> str:
    reasons: Counter[str] = Counter()
    for run in runs.values():
        for (_, reason), number in run.items():
            reasons[reason] += number
    named = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common(_SHOWN))
    places = ", ".join(map(str, sorted(number for number, run in runs.items() if run)))
    return (
        f"{reasons.total()} records in a row could not be used ({named}; partition {places}; the last one is at offset {last.offset} "
        f"of partition {last.partition}): who sends them, or this version of Headcount, is probably at fault. Look at them with "
        f"`headcount deadletters list`; a larger HEADCOUNT_DEAD_LETTERS_IN_A_ROW lets them go past"
    )
