"""What the stack's ingest feeds: from arguments and a file into a file of its own, which `headcount ingest --from` reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.adapters.camera import redact
from pipeline.errors import ConfigurationError
from services.source_list import ListedSource, read_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_UNFIT = re.compile(r"\s.*|#.*|.*\s|.*=\s.*|.*[\r\n].*|", re.DOTALL)  # the file would say something else with it


def listed(arguments: Sequence[str], file: Path | None, notice: Callable[[str], None]) -> list[ListedSource]:
    """Return the sources of the command line and those of a file.

    Args:
        arguments: Addresses.
        file: See `services.source_list.read_sources`.
        notice: Told where other users may read the file.

    Raises:
        ConfigurationError: The file cannot be used, or an argument cannot stand in one.
    """
    for address in arguments:
        if _UNFIT.fullmatch(address):
            raise ConfigurationError(f"the source {redact(address)!r} begins or ends with a space, begins with #, or holds '= ': rename it")
    further = [] if file is None else read_sources(file, notice)
    return [*(ListedSource(address=address) for address in arguments), *further]


def file_of(sources: Sequence[ListedSource]) -> bytes:
    """Return the file that holds the sources, with their passwords."""
    lines = (source.address if source.name is None else f"{source.name} = {source.address}" for source in sources)
    return "".join(f"{line}\n" for line in lines).encode()


def shown(source: ListedSource) -> str:
    """Return a source without its credentials."""
    address = redact(source.address)
    return address if source.name is None else f"{source.name} = {address}"
