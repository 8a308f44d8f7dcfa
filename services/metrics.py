"""Serves `/metrics` of this process on the loopback; the metrics themselves are in pipeline/metrics.py."""

from __future__ import annotations

import errno

from prometheus_client import start_http_server

import pipeline.metrics  # noqa: F401 - importing it registers what is served
from pipeline.errors import ConfigurationError

_TRIED = 1000  # ports: more processes than that on one machine are a mistake
_LAST_PORT = 65535


def serve_metrics(port: int) -> int | None:
    """Serve `/metrics` on the first free port of the loopback from `port` on, until the process ends.

    Args:
        port: `settings.metrics_port`; 0: no page is served.

    Returns:
        The port, or None where no page is served.

    Raises:
        ConfigurationError: No port can be had.
    """
    if not port:
        return None
    for candidate in range(port, min(port + _TRIED, _LAST_PORT + 1)):
        try:
            start_http_server(candidate, addr="127.0.0.1")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigurationError(
                    f"cannot serve metrics on port {candidate}: {error.strerror}; set HEADCOUNT_METRICS_PORT"
                ) from None
        else:
            return candidate
    raise ConfigurationError(f"cannot serve metrics: no port from {port} on is free; set HEADCOUNT_METRICS_PORT to a lower one")
