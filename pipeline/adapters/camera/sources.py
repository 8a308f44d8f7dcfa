"""From what a user typed to sources of segments; imports its own package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.adapters.camera.address import HIDDEN, redact, scheme_of
from pipeline.adapters.camera.live import LiveSource
from pipeline.adapters.camera.pictures import PICTURE_SUFFIXES, PictureSource, natural
from pipeline.adapters.camera.recording import FileSource
from pipeline.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.adapters.camera.options import SourceOptions
    from pipeline.ports import SegmentSource

LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".3gp", ".ogv", ".gif", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg"}
    | {".mjpeg", ".mjpg", ".264", ".h264", ".265", ".hevc"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSource:
    """One video of one camera: a name to suggest, and what `open_source` takes."""

    name: str
    address: str


def expand(text: str) -> list[NamedSource]:
    """Return the sources that a file, a folder or a URL stands for.

    A folder with videos is as many sources; a folder with pictures is one.

    Raises:
        SourceError: The path is missing, the folder holds neither, or the scheme is not known.
    """
    if not text.strip():
        raise SourceError("not_found", "an empty SOURCE: name a file, a folder or an address")
    scheme = _known_scheme(text)
    if scheme is not None:
        return [NamedSource(name=_name_of_url(text), address=text)]
    path = _existing(text)
    if path.is_file():
        return [NamedSource(name=path.stem, address=text)]
    videos = _files(path, VIDEO_SUFFIXES)
    if not videos:
        _pictures(path)
        return [NamedSource(name=path.resolve().name, address=text)]
    stems = [video.stem for video in videos]
    return [NamedSource(name=video.stem if stems.count(video.stem) == 1 else video.name, address=str(video)) for video in videos]


def open_source(text: str, options: SourceOptions) -> SegmentSource:
    """Open a file, a folder of pictures or a URL; whoever calls it closes it, from the thread that reads it.

    Files are opened at once; a URL is connected to when its segments are asked for.

    Raises:
        SourceError: It cannot be used.
    """
    scheme = _known_scheme(text)
    if scheme is not None:
        return LiveSource(text, options)
    path = _existing(text)
    if path.is_dir():
        return PictureSource(_pictures(path), options)
    if path.stat().st_size == 0:
        raise SourceError("not_a_video", f"{path.name}: the file is empty")
    return FileSource(path, options)


def _known_scheme(text: str) -> str | None:
    scheme = scheme_of(text)
    if scheme is not None and scheme not in LIVE_SCHEMES:
        raise SourceError("unknown_scheme", f"{redact(text)}: cannot read {scheme}://; use rtsp, rtsps, http, https, a file or a folder")
    return scheme


def _existing(text: str) -> Path:
    path = Path(text)
    try:
        if path.exists():
            return path
    except (OSError, ValueError):
        pass  # a name that no file can have
    raise SourceError("not_found", f"{text}: no such file or folder")


def _pictures(folder: Path) -> list[Path]:
    pictures = _files(folder, PICTURE_SUFFIXES)
    if not pictures:
        raise SourceError(
            "no_pictures", f"{folder}: holds neither videos nor pictures (.jpg, .png, .bmp, .webp, .tif); folders in it are not searched"
        )
    return pictures


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith(".")]
    except OSError:
        raise SourceError("unreadable", f"{folder}: no permission to read the folder") from None
    return sorted(found, key=natural)


def _name_of_url(text: str) -> str:
    parts = urlsplit(redact(text))
    host = (parts.netloc.rpartition("@")[2] or HIDDEN).strip("[]")
    return "-".join(part for part in (host, *parts.path.split("/")) if part and part != HIDDEN) or "camera"
