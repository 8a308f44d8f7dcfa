"""Every metric once, with what to do when it moves; imports nothing of ours."""

from __future__ import annotations

from prometheus_client import Counter

VISIT_CONFLICTS = Counter(
    "headcount_visit_conflicts_total",
    "Visits that were already stored under their key and were left as they are. Expected 0: a log was read twice, or a fence failed.",
)
FENCED = Counter(
    "headcount_fenced_total",
    "Commits that were refused because another process holds the claim. Moves at take-overs; if it goes on, look for stalled workers.",
)
