"""Where trainings keep their caches and checkpoints."""

from __future__ import annotations

import os
from pathlib import Path


def training_folder() -> Path:
    """Return `TRAINING_DIR`, or out/training below the working directory.

    No variable of training begins with HEADCOUNT_: `headcount` refuses those that are none of its settings.
    """
    return Path(os.environ.get("TRAINING_DIR") or "out/training")
