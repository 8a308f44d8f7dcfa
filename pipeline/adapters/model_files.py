"""Fetches model files that may not come with Headcount, each pinned by its SHA-256; the only importer of an HTTP client."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import TransientError

_CHUNK_BYTES = 2**16
_MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file that is known by its content."""

    name: str  # of the file below the folder of models
    url: str
    sha256: str
    timeout_s: float = 5.0  # of the whole download


YUNET = ModelFile(
    name="yunet_n_dynamic.onnx",
    url="https://github.com/ShiqiYu/libfacedetection.train/raw/02246e79b1e976c83d1e135a85e0628120c93769/onnx/yunet_n_dynamic.onnx",
    sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
)


def obtain(file: ModelFile, folder: Path) -> bytes:
    """Return the file's content: from `folder`, or downloaded and kept there.

    Raises:
        TransientError: It is not there and cannot be downloaded, or what came is another file.
    """
    path = folder / file.name
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if _sha256(content) == file.sha256:
        return content
    content = _download(file)
    if _sha256(content) != file.sha256:
        raise TransientError(f"the download of {file.name} is not the file that was pinned (another SHA-256)")
    _keep(path, content)
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(file: ModelFile) -> bytes:
    deadline = time.monotonic() + file.timeout_s
    content = b""
    try:
        with urllib.request.urlopen(file.url, timeout=file.timeout_s) as answer:  # noqa: S310 - the address is pinned in the code
            while chunk := answer.read1(_CHUNK_BYTES):
                content += chunk
                if len(content) > _MAX_BYTES or time.monotonic() > deadline:
                    raise TransientError(f"the download of {file.name} is too large or too slow")
    except urllib.error.HTTPError as error:
        error.close()
        raise TransientError(f"{file.name} cannot be downloaded (HTTP {error.code})") from None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"{file.name} cannot be downloaded ({type(error).__name__})") from None
    return content


def _keep(path: Path, content: bytes) -> None:
    """Write the file so that other processes see all of it or nothing; a folder that cannot be written costs the next start a download."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        Path(part.name).replace(path)
    except OSError:
        return
