"""What preparing a data set came to, as tables for people; imports rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape
from rich.table import Table

from training.evaluation.bands import NINE
from training.faces import ANY_AGE, FEMALE, MALE, UNKNOWN_GENDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from rich.console import Console

    from training.datasets import Dataset
    from training.faces import Faces
    from training.left_out import LeftOut
    from training.prepared import Prepared
    from training.split import Split

_GENDERS = {FEMALE: "female", MALE: "male", UNKNOWN_GENDER: "gender not known"}


def summary_table(dataset: Dataset, prepared: Prepared) -> Table:
    """Return how many faces there are, how many were found, and what was left out."""
    table = Table(title=escape(dataset.name), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("licence", escape(dataset.licence))
    table.add_row("faces", str(len(prepared.faces)))
    table.add_row("found by the detector", f"{prepared.found.mean():.1%}")
    for reason, count in prepared.left_out.reasons.most_common():
        table.add_row(f"left out: {escape(reason)}", str(count), style="yellow")
    return table


def print_names(left_out: LeftOut, console: Console, *, most: int) -> None:
    """Print what was left out by its name, a line each."""
    for line in left_out.named[:most]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if len(left_out.named) > most:
        console.print(f"  and {len(left_out.named) - most} more; --all-names names them")


def split_table(faces: Faces, parts: Split) -> Table:
    """Return how many faces of each age, gender and group are in each part."""
    table = Table("", title="split", title_justify="left", box=None, pad_edge=False)
    for name in ("training", "validation", "near copies, left out"):
        table.add_column(name, justify="right")
    for stratum, members in _strata(faces):
        counts = (int(members[part].sum()) for part in (parts.train, parts.validation, parts.dropped))
        table.add_row(escape(stratum), *map(str, counts))
    return table


def _strata(faces: Faces) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the name of each age band, gender and group that is there, and who (n,) belongs to it."""
    yield "all", np.ones(len(faces), np.bool_)
    known = (faces.age_low != ANY_AGE[0]) | (faces.age_high != ANY_AGE[1])
    band = np.where(known, np.searchsorted(NINE.starts, faces.age_low, side="right") - 1, len(NINE.names))
    for place, name in enumerate((*(f"{years} years" for years in NINE.names), "age not known")):
        if (band == place).any():
            yield name, band == place
    for gender, name in _GENDERS.items():
        if (faces.gender == gender).any():
            yield name, faces.gender == gender
    for group in filter(None, np.unique(faces.group).tolist()):
        yield group, faces.group == group
