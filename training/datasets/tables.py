"""Reads the tables of data sets, whose columns have names."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from training.errors import TrainingError
from training.left_out import UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Cells = Mapping[str, str | None]


def read_table(path: Path, columns: Sequence[str], *, delimiter: str = ",") -> list[Cells]:
    """Return the rows of a table by the names in its first line.

    Raises:
        TrainingError: It cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            table = csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL)
            missing = [column for column in columns if column not in (table.fieldnames or ())]
            if missing:
                raise TrainingError(f"{path}: expected the columns {', '.join(columns)}; {', '.join(missing)} is missing")
            return list(table)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read ({error.strerror})") from None
    except csv.Error as error:
        raise TrainingError(f"{path} is no table: {error}") from None


def cell(row: Cells, column: str) -> str:
    """Return what a cell holds.

    Raises:
        UnusableError: The row is too short.
    """
    value = row[column]
    if value is None:
        raise UnusableError("incomplete row")
    return value.strip()
