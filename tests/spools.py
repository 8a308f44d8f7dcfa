"""Where the spools of tests lie."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.spool import SpoolLimits

NO_DISK = SpoolLimits(folder=Path(os.devnull) / "spool", max_bytes=2**20, max_age_s=3600)  # a folder that nobody can make


def spool_in(folder: Path, *, max_bytes: int = 2**20, max_age_s: float = 3600) -> SpoolLimits:
    return SpoolLimits(folder=folder, max_bytes=max_bytes, max_age_s=max_age_s)
