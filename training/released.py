"""A model as it lies in the repository: its newest network, what that says of itself, and the reports of its evaluations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.model_config import models
from training.errors import TrainingError
from training.evaluation.report import load_report
from training.model_folder import newest_version, version_file
from training.provenance import Provenance, read_provenance

if TYPE_CHECKING:
    from pathlib import Path

    from training.evaluation.report import Report

REPORTS = "evaluation"
"""The folder of the reports inside a model's, a file for each data set: fairface.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One model."""

    name: str
    version: int
    path: Path  # of the network
    size: int  # bytes
    sha256: str
    provenance: Provenance | None  # None: headcount-train has not written it
    reports: tuple[Report, ...]  # by data set


def read_released(folder: Path) -> Released:
    """Read a model's folder.

    Raises:
        TrainingError: There is no network in it, or a report is of another one.
    """
    version = newest_version(folder)
    path = version_file(folder, version)
    if not version or not path.is_file():
        raise TrainingError(f"{folder} holds no network; export one first")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    reports = {file: load_report(file) for file in sorted((folder / REPORTS).glob("*.json"))}
    stale = [str(file) for file, report in reports.items() if report.sha256 != sha256]
    if stale:
        raise TrainingError(f"{', '.join(stale)}: of another network than {path}; evaluate it again")
    return Released(
        name=folder.name,
        version=version,
        path=path,
        size=path.stat().st_size,
        sha256=sha256,
        provenance=read_provenance(path),
        reports=tuple(reports.values()),
    )


def read_all(repository: Path) -> list[Released]:
    """Read all models of a repository, by name.

    Raises:
        TrainingError: There is none, or one cannot be used.
    """
    names = models(repository)
    if not names:
        raise TrainingError(f"{repository} is no model repository: no folder in it holds a config.pbtxt")
    return [read_released(repository / name) for name in names]
