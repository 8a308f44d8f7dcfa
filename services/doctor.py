"""`headcount doctor`: what is there and what is missing on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import av
from rich.markup import escape

from pipeline.adapters.detectors import make_detector
from pipeline.adapters.kafka.cluster import cluster_of, require_crc32c
from pipeline.adapters.kafka.diagnose import look
from pipeline.adapters.postgres import programs
from pipeline.adapters.runtimes import runtime
from pipeline.errors import ConfigurationError, HeadcountError
from services.brain import connect_triton, load_classifier
from services.stack.programs import require_java, require_maven
from services.wiring import open_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from pipeline.settings import Settings

_DECODERS = ("h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "libdav1d")
_LITTLE_DISK_BYTES = 5 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the examination."""

    what: str
    found: str
    advice: str = ""  # what to do; empty: all is well
    fatal: bool = False  # Headcount cannot run so


def examine(settings: Settings, console: Console) -> int:
    """Print what was found; return 1 where something is missing that Headcount cannot run without."""
    fatal = False
    for finding in _findings(settings):
        mark = "[green]ok[/green]     " if not finding.advice else "[red]missing[/red]" if finding.fatal else "[yellow]note[/yellow]   "
        line = f"{finding.what}: {finding.found}" + (f" → {finding.advice}" if finding.advice else "")
        console.print(f"{mark} {escape(line)}", soft_wrap=True)
        fatal = fatal or finding.fatal
    return int(fatal)


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding(what="machine", found=f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    yield _data_dir(settings)
    missing = [name for name in _DECODERS if name not in av.codecs_available]
    yield Finding(what="video", found=f"PyAV {av.__version__}", advice=f"no decoder for {', '.join(missing)}" if missing else "")
    yield _tried("runtime", lambda: _runtime(settings))
    yield _tried("model", lambda: load_classifier(settings).name)
    yield _detector(settings)
    yield _tried("embedded PostgreSQL", lambda: f"{programs.MAJOR}" if programs.bundled() else "")
    yield _tried("database", lambda: _database(settings))
    if settings.kafka_bootstrap is not None:
        yield _tried("Kafka", lambda: _kafka(settings))
    if settings.triton_url is not None:
        yield triton_finding(settings)
    yield from stack_findings()
    yield _extra("demo", "scikit-image", "skimage", "the clip of run --demo")
    yield _extra("openvino", "openvino", "openvino", "HEADCOUNT_RUNTIME=openvino")


def _data_dir(settings: Settings) -> Finding:
    nearest = next(folder for folder in (settings.data_dir.absolute(), *settings.data_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{settings.data_dir} ({free / 2**30:.0f} GiB free)"
    if not os.access(nearest, os.W_OK):
        return Finding(what="data folder", found=found, advice="cannot be written: set HEADCOUNT_DATA_DIR", fatal=True)
    return Finding(what="data folder", found=found, advice="little room for segments" if free < _LITTLE_DISK_BYTES else "")


def _runtime(settings: Settings) -> str:
    runtime(settings.runtime)
    local = f"{settings.runtime} {version(settings.runtime)}"
    return local if settings.triton_url is None else f"{local}; for the model, Triton at {settings.triton_url}"


def _detector(settings: Settings) -> Finding:
    told: list[str] = []
    finding = _tried("detector", lambda: make_detector(settings, told.append).name)
    advice = told[0].removeprefix("detector: mtcnn, because ") if told and "mtcnn" in told[0] else finding.advice
    return Finding(what=finding.what, found=finding.found, advice=advice, fatal=finding.fatal)


def _database(settings: Settings) -> str:
    with open_place(settings, lambda _: None, kept=True):
        return "your own, current" if settings.database_url is not None else "embedded, current"


def _kafka(settings: Settings) -> str:
    require_crc32c()
    cluster = cluster_of(settings)
    look(cluster)
    return f"{cluster}; its topics: headcount topics check"


def triton_finding(settings: Settings) -> Finding:
    """Ask Triton which models it serves."""
    return _tried("Triton", lambda: _triton(settings))


def _triton(settings: Settings) -> str:
    from pipeline.adapters.triton.control import ModelControl  # noqa: PLC0415 - gRPC takes a second to import

    served = [f"{known.model} {known.version}" for known in ModelControl(connect_triton(settings)).known() if known.ready]
    return f"{settings.triton_url}, serves {', '.join(served) or 'no model'}"


def stack_findings() -> Iterator[Finding]:
    """Look for the programs that only `headcount stack` needs."""
    yield _for_stack("Java", lambda: f"{require_java()}")
    yield _for_stack("Maven", require_maven)


def _for_stack(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, found=attempt())
    except ConfigurationError as error:
        return Finding(what=what, found="cannot be used", advice=f"only for headcount stack: {error}")


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, found=attempt())
    except HeadcountError as error:
        return Finding(what=what, found="cannot be used", advice=str(error), fatal=True)


def _extra(extra: str, package: str, module: str, purpose: str) -> Finding:
    if find_spec(module) is None:
        return Finding(what=package, found="not installed", advice=f"for {purpose}: pip install headcount[{extra}]")
    try:
        return Finding(what=package, found=version(package))
    except PackageNotFoundError:
        return Finding(what=package, found=str(Path(module)))
