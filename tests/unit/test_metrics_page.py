from __future__ import annotations

import socket
import urllib.request

import pytest

from pipeline.errors import ConfigurationError
from services.metrics import serve_metrics


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_each_process_gets_a_port_of_its_own_on_the_loopback() -> None:
    wanted = a_free_port()
    first, second = serve_metrics(wanted), serve_metrics(wanted)
    assert first is not None
    assert second is not None
    assert wanted <= first < second
    with urllib.request.urlopen(f"http://127.0.0.1:{second}/metrics", timeout=10) as page:
        assert b"headcount_fenced_total" in page.read()


def test_port_0_serves_nothing() -> None:
    assert serve_metrics(0) is None


def test_no_free_port_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65535))
        taken.listen()
        with pytest.raises(ConfigurationError, match="no port from 65535 on is free; set HEADCOUNT_METRICS_PORT"):
            serve_metrics(65535)
