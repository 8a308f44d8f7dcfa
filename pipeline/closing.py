"""Closes partitions of a log that is no more: what was open ends as if each camera's session were over. Imports ports, state and types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from pipeline.metrics import count_batch
from pipeline.state import decode_state
from pipeline.types import LogGap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.engine import Engine
    from pipeline.ports import Claims, Facts
    from pipeline.types import BatchResult, Claim

_log = structlog.get_logger()

REASON = "log_replaced"
"""Of the gap between what was analysed of a log and where it ended."""


def close_partition(claim: Claim, facts: Facts, engine: Engine, end: int) -> tuple[Claim, BatchResult]:
    """Store the visits of all open tracks, forget the states, and record what was not analysed; to be called again after a lost connection.

    Args:
        claim: Of the partition.
        facts: Of its log.
        engine: That knows what counts.
        end: The last end of the partition that is known; 0: none.

    Raises:
        FencedError: The claim is another's.
        DatabaseUnavailableError: Try again.
    """
    claim = facts.confirm(claim, claim.next_offset)  # an earlier try may still be on its way, or have landed
    states = {camera_id: decode_state(state) for camera_id, state in facts.load(claim).items()}
    first = claim.next_offset
    gaps = (LogGap(partition=claim.partition, from_offset=first, to_offset=end, reason=REASON),) if end > first else ()
    result = engine.close(states, gaps).result
    return facts.commit(claim, max(end, first), result), result


def close_log(claims: Claims, facts: Facts, engine: Engine, ends: Mapping[int, int]) -> None:
    """Close the partitions of a log that nobody holds any more.

    Args:
        claims: Of that log.
        facts: Of that log.
        engine: That knows what counts.
        ends: The last end that is known, by partition.

    Raises:
        DatabaseUnavailableError: Try again; what is closed stays so.
    """
    for claim in claims.acquire():
        _, result = close_partition(claim, facts, engine, ends.get(claim.partition, 0))
        count_batch(result)
        _log.warning("partition_closed", partition=claim.partition, offset=claim.next_offset, visits=len(result.visits))
        claims.release(claim)
