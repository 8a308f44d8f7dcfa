"""Structured logs of a process: one renderer for our events and for what libraries say; imports settings and the camera's redaction.

Library code asks for its logger with `structlog.get_logger()` and names an event with its fields. Never a credential, never a pixel.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog
from structlog.stdlib import ProcessorFormatter

from pipeline.adapters.camera import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import EventDict, Processor

    from pipeline.settings import Settings

_HANDLER = "headcount"
_OURS = ("pipeline", "services")
_WITH_HANDLERS = ("ray",)  # gives itself a handler when it is imported: call `configure` afterwards
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+?(?=[:;,.)\]'\"]*(?:\s|$))")  # without the sentence's punctuation
_NUMBERS = (bool, int, float, type(None))


def configure(settings: Settings) -> None:
    """Log to stderr from `settings.log_level` on; what libraries say, from warning on. Calling it again replaces what was set.

    Text (with colours on a terminal), or a JSON object a line with a UTC timestamp.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_ALWAYS, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = _Stderr()
    handler.set_name(_HANDLER)
    handler.addFilter(lambda record: record.levelno >= (level if record.name.startswith(_OURS) else max(level, logging.WARNING)))
    rendering = [ProcessorFormatter.remove_processors_meta, _redacted, _renderer(settings)]
    handler.setFormatter(ProcessorFormatter(foreign_pre_chain=_ALWAYS, processors=rendering))
    root = logging.getLogger()
    for before in [known for known in root.handlers if known.get_name() == _HANDLER]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _WITH_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


class _Stderr(logging.Handler):
    """Writes lines to whatever stderr is at the time: a live display takes its place for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers: a log that cannot be written ends nothing
            self.handleError(record)


def _redacted(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Redact every address in every text: our messages hold no credential, those of libraries may."""
    return {name: _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - fields are what callers give
    return value if isinstance(value, _NUMBERS) else _ADDRESS.sub(lambda found: redact(found[0]), str(value))


def _renderer(settings: Settings) -> Processor:
    terminal = sys.stderr.isatty()
    if settings.log_format == "json" or (settings.log_format == "auto" and not terminal):
        return structlog.processors.JSONRenderer()
    colours = terminal and "NO_COLOR" not in os.environ
    # The default shows a traceback's variables: they hold pictures and passwords.
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)


_ALWAYS: Sequence[Processor] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
)
