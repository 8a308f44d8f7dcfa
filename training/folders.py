"""Where trainings keep their caches and checkpoints."""

from __future__ import annotations

import os
from pathlib import Path


def training_folder() -> Path:
    """Return `HEADCOUNT_TRAINING_DIR`, or out/training below the working directory."""
    return Path(os.environ.get("HEADCOUNT_TRAINING_DIR") or "out/training")
