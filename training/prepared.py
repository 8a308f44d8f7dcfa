"""Prepared faces on disk: canvases in a file that is mapped into memory, all else in a table beside it.

The table is written last: where it is, the canvases are whole.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from training.faces import CANVAS_SIDE_PX, Faces
from training.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any, Self

    from numpy.typing import NDArray

    from pipeline.types import UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What preparing a data set came to."""

    faces: Faces
    left_out: LeftOut

    @property
    def found(self) -> NDArray[np.bool_]:
        """(n,) whether the detector found the face; the others are aligned by where faces lie as a rule."""
        return ~np.isnan(self.faces.seen[:, 0])


class CanvasFile:
    """Writes canvases into a .npy file, one after the other; how many they are is written at the end of the block."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._count = 0

    def __enter__(self) -> Self:
        self._write_header()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if failure is None:
                self._file.seek(0)
                self._write_header()
                self._file.flush()
                os.fsync(self._file.fileno())

    def append(self, canvas: UInt8) -> None:
        """Write one (CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3)."""
        self._file.write(canvas.tobytes())
        self._count += 1

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first length to grow.
        shape = (self._count, CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def save(stem: Path, canvases: Path, columns: Mapping[str, NDArray[Any]], left_out: LeftOut) -> Prepared:
    """Put a finished file of canvases into its place and write its table; return both.

    Args:
        stem: Where to, less the endings.
        canvases: The file; it is moved.
        columns: What `Faces` has beside them.
        left_out: Of the data set.
    """
    half = _beside(stem, ".npz.part")
    with half.open("wb") as file:
        reasons, counts = list(left_out.reasons), list(left_out.reasons.values())
        words = {"reasons": np.array(reasons, np.str_), "counts": np.array(counts, np.int64), "named": np.array(left_out.named, np.str_)}
        np.savez(file, allow_pickle=False, **columns, **words)
        file.flush()
        os.fsync(file.fileno())
    canvases.replace(_beside(stem, ".npy"))
    half.replace(_beside(stem, ".npz"))
    return _read(stem)


def load(stem: Path) -> Prepared | None:
    """Return what was saved, None where it is not there or not whole."""
    try:
        return _read(stem)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def part_path(stem: Path) -> Path:
    """Return where to write canvases until they are saved."""
    return _beside(stem, ".npy.part")


@contextmanager
def alone(stem: Path) -> Iterator[None]:
    """Have others who want to prepare the same wait, in other processes too.

    Raises:
        OSError: The folder cannot be written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with _beside(stem, ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(stem: Path) -> Prepared:
    canvases = np.load(_beside(stem, ".npy"), mmap_mode="r", allow_pickle=False)
    with _beside(stem, ".npz").open("rb") as file, np.load(file, allow_pickle=False) as table:
        columns = {name: table[name] for name in table.files}
    left_out = LeftOut(named=columns.pop("named").tolist())
    left_out.reasons.update(dict(zip(columns.pop("reasons").tolist(), columns.pop("counts").tolist(), strict=True)))
    return Prepared(left_out=left_out, faces=Faces(canvases=canvases, **columns))


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)
