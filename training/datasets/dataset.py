"""What a loader makes of a folder: labelled pictures, and what it left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from training.faces import LabelledPicture
from training.left_out import LeftOut, UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from training.datasets.files import PictureFiles
    from training.faces import Label
    from training.framing import Framing


_MAX_LENGTH = 200  # of a key: the arrays of faces have room for the longest in each row


class Row(NamedTuple):
    """A row of a data set's table."""

    names: tuple[str, ...]  # where its picture may lie; the first one is its key
    label: Callable[[], Label]  # raises UnusableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Labelled pictures, none of them read yet."""

    name: str
    licence: str  # SPDX identifier, or what its authors allow
    framing: Framing  # how faces lie in its pictures
    listed: tuple[LabelledPicture, ...]
    left_out: LeftOut  # of its table and its files
    held_out: frozenset[str] = frozenset()  # `Faces.keys` that its authors set aside; none: a hash chooses (split.py)
    content: str  # SHA-256 of keys, labels and the pictures' sizes and checksums (of loose files: when they were changed)

    def __len__(self) -> int:
        return len(self.listed)

    def pictures(self) -> Iterator[LabelledPicture]:
        """Yield the pictures, in the order of the table."""
        yield from self.listed


def gather(name: str, licence: str, framing: Framing, rows: Iterable[Row], files: PictureFiles) -> Dataset:
    """Make a data set of a table's rows and the pictures that are there; what cannot be used is left out.

    Rows that name one picture several times count once where they agree; where they do not, all are left out.
    """
    left_out = LeftOut()
    labels = _labels(rows, left_out)
    listed, digest = [], sha256()
    for names, label in labels.items():
        try:
            file = files.find(names)
        except UnusableError as error:
            left_out.add(names[0], error)
            continue
        listed.append(LabelledPicture(key=names[0], label=label, read=file.read))
        digest.update(f"{names[0]} {label} {file.size} {file.stamp}\n".encode())
    return Dataset(
        name=name,
        licence=licence,
        framing=framing,
        listed=tuple(listed),
        left_out=files.left_out.and_also(left_out),
        content=digest.hexdigest(),
    )


def _labels(rows: Iterable[Row], left_out: LeftOut) -> dict[tuple[str, ...], Label]:
    """Return the label of each picture that has just one."""
    found: dict[tuple[str, ...], list[Label]] = {}
    unusable = Counter[tuple[str, ...]]()
    for row in rows:
        try:
            found.setdefault(row.names, []).append(_usable(row))
        except UnusableError as error:
            unusable[row.names] += 1
            left_out.add(row.names[0], error)
    labels = {}
    for names, said in found.items():
        agree = len(set(said)) == 1 and not unusable[names]
        if agree:
            labels[names] = said[0]
        for _ in said[1:] if agree else said:
            left_out.add(names[0], UnusableError("listed twice", "" if agree else "with different labels"))
    return labels


def _usable(row: Row) -> Label:
    key = row.names[0]
    if len(key) > _MAX_LENGTH or not key.isprintable():
        raise UnusableError("name is too long or not printable", f"{len(key)} characters")
    return row.label()
