"""What of a data set is left out, and why: counted by reason and named, never fatal; imports nothing of ours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_LONGEST = 300


class UnusableError(Exception):
    """A picture or its label cannot be used.

    Args:
        reason: A fixed phrase, under which it is counted.
        detail: What was found instead; "": the reason says it all.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Grows while a data set is read."""

    reasons: Counter[str] = field(default_factory=Counter)  # phrase -> how many
    named: list[str] = field(default_factory=list)  # "17.webp: unknown gender ('x')"; at most 300 characters, all of them printable

    def add(self, name: str, error: UnusableError) -> None:
        """Count and name one."""
        self.reasons[error.reason] += 1
        said = f"{name}: {error}"
        said = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
        self.named.append("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said))

    def and_also(self, later: LeftOut) -> LeftOut:
        """Return what is left out here and there."""
        return LeftOut(reasons=self.reasons + later.reasons, named=self.named + later.named)

    def __str__(self) -> str:
        return ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common()) or "none"
