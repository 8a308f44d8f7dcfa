"""How far a training has come, from the log that the loop keeps beside its checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

LOG = "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What all runs of a training came to."""

    epochs: int
    cpu_hours: float  # of the training's own process, all runs


def read_history(folder: Path) -> History:
    """Read the last line of a training's log.

    Raises:
        TrainingError: There is none, or it is not what the loop writes.
    """
    path = folder / LOG
    try:
        last = json.loads(path.read_text("utf-8").splitlines()[-1])
        return History(epochs=int(last["epoch"]), cpu_hours=float(last["cpu_s"]) / 3600)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(f"{path} does not say how far the training has come ({type(error).__name__})") from None
