"""The pictures below a folder, loose or in zips; they are read by name and nothing is unpacked."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import TrainingError
from training.left_out import LeftOut, UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_MAX_BYTES = 64 * 2**20
# A zip's damage shows itself in all these ways. RuntimeError: a password is asked for, or the packing is not known.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error, LZMAError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """One file."""

    path: str  # below the folder, or within its zip; parts are separated by "/"
    size: int  # bytes
    stamp: int  # changes with the content: CRC-32 of a zip's member, nanoseconds of the last change of a loose file
    source: Path | zipfile.ZipFile = field(repr=False)

    def read(self) -> bytes:
        """Return the content.

        Raises:
            UnusableError: It cannot be read, or is too large.
        """
        if self.size > _MAX_BYTES:
            raise UnusableError("file is too large", f"{self.size} bytes")
        try:
            with self.source.open("rb") if isinstance(self.source, Path) else self.source.open(self.path) as file:
                content = file.read(_MAX_BYTES + 1)
        except _UNREADABLE as error:
            raise UnusableError("cannot be read", type(error).__name__) from None
        if len(content) > _MAX_BYTES:  # it has grown since it was found
            raise UnusableError("file is too large", f"more than {_MAX_BYTES} bytes")
        return content


class PictureFiles:
    """All picture files below a folder, by name.

    Raises:
        TrainingError: The folder cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.left_out = LeftOut()
        self._by_name: dict[str, list[PictureFile]] = {}
        for file in self._walk(root):
            self._by_name.setdefault(_last(file.path), []).append(file)

    def find(self, names: Sequence[str]) -> PictureFile:
        """Return the file of the first name that is there: at that path, or at one that ends so.

        Raises:
            UnusableError: There is none, or there are several.
        """
        for name in names:
            alike = [file for file in self._by_name.get(_last(name), ()) if f"/{file.path}".endswith(f"/{name}")]
            found = [file for file in alike if file.path == name] or alike
            if len(found) > 1:
                raise UnusableError("several files of that name", ", ".join(file.path for file in found))
            if found:
                return found[0]
        raise UnusableError("file is missing")

    def names(self) -> list[str]:
        """Return the names of all files, without folders, sorted."""
        return sorted(self._by_name)

    def paths(self) -> list[str]:
        """Return the paths of all files, sorted."""
        return sorted(file.path for files in self._by_name.values() for file in files)

    def _walk(self, root: Path) -> Iterator[PictureFile]:
        try:
            for folder, folders, names in os.walk(root, onerror=_stop):
                folders.sort()
                for name in sorted(names):
                    if name.lower().endswith(".zip") or _is_picture(name):
                        yield from self._found(Path(folder, name), root)
        except OSError as error:
            raise TrainingError(f"{error.filename} cannot be read ({error.strerror})") from None

    def _found(self, path: Path, root: Path) -> Iterator[PictureFile]:
        name = path.relative_to(root).as_posix()
        try:
            about = path.stat()
        except OSError as error:
            self.left_out.add(name, UnusableError("cannot be read", type(error).__name__))
            return
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for, a device never ends
            self.left_out.add(name, UnusableError("not a regular file"))
        elif _is_picture(path.name):
            yield PictureFile(path=name, size=about.st_size, stamp=about.st_mtime_ns, source=path)
        else:
            yield from self._members(path)

    def _members(self, path: Path) -> Iterator[PictureFile]:
        try:
            archive = zipfile.ZipFile(path)  # stays open as long as its members are known
        except _UNREADABLE as error:
            self.left_out.add(path.name, UnusableError("zip cannot be read", type(error).__name__))
            return
        for member in archive.infolist():
            if _is_picture(_last(member.filename)):
                yield PictureFile(path=member.filename, size=member.file_size, stamp=member.CRC, source=archive)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _is_picture(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def _stop(error: OSError) -> None:
    raise error
