"""What every benchmark is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How much to measure, and where the clips are."""

    repeats: int
    minutes: float  # of the benchmarks that watch a run for a while
    clips: Path
