"""What is logged comes out as one line, in UTC, without a credential, whoever says it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.settings import Settings
from services.logs import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "pipeline.door"


def as_before() -> Iterator[None]:
    """Leave the process's logging as it was, for a fixture."""
    root = logging.getLogger()
    level = root.level
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    for handler in [handler for handler in root.handlers if handler.get_name() == "headcount"]:
        root.removeHandler(handler)
    root.setLevel(level)
    for name in ("pipeline", "services"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield from as_before()


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == "", "stdout belongs to the documents"
    return [json.loads(line) for line in captured.err.splitlines()]


def test_an_event_is_one_json_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_level="info"))
    structlog.get_logger(OURS).info("claim_taken", partition=3, offset=17)
    (event,) = said(capsys)
    moment = datetime.fromisoformat(event.pop("timestamp"))
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert event == {"event": "claim_taken", "level": "info", "logger": OURS, "partition": 3, "offset": 17}


def test_a_normal_run_says_nothing_at_the_default_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    structlog.get_logger(OURS).info("claim_taken", partition=3)
    logging.getLogger("alembic").info("Running upgrade")
    assert said(capsys) == []


def test_a_thread_s_camera_is_in_its_events(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    with structlog.contextvars.bound_contextvars(camera="door", partition=2):
        structlog.get_logger(OURS).warning("camera_offline", reason="timeout")
    (event,) = said(capsys)
    assert (event["camera"], event["partition"], event["reason"]) == ("door", 2, "timeout")


@pytest.mark.parametrize(("level", "expected"), [("debug", ["warning"]), ("warning", ["warning"]), ("error", [])])
def test_libraries_are_heard_from_warning_on(level: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings.model_validate({"log_level": level}))
    logging.getLogger("sqlalchemy.pool").info("a connection")
    logging.getLogger("sqlalchemy.pool").warning("%d connections", 3)
    assert [event["level"] for event in said(capsys)] == expected


def test_a_library_with_a_handler_of_its_own_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    library = logging.getLogger("ray")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    library.setLevel(logging.INFO)
    configure(Settings(log_level="info"))
    library.info("started")
    library.warning("a node is gone")
    assert [event["event"] for event in said(capsys)] == ["a node is gone"]


def test_a_second_call_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_level="debug"))
    configure(Settings())
    structlog.get_logger(OURS).debug("nothing")
    structlog.get_logger(OURS).warning("once")
    assert [event["event"] for event in said(capsys)] == ["once"]


def test_text_is_one_line_without_colours_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="text"))
    structlog.get_logger(OURS).warning("camera_offline", camera="door", reason="timeout")
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "camera=door" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_variables(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings.model_validate({"log_format": log_format}))

    def fails(password: str) -> None:
        raise ZeroDivisionError(len(password))

    for name in (OURS, "some.library"):
        try:
            fails("terc3s"[::-1])
        except ZeroDivisionError:
            logger = structlog.get_logger(name) if name == OURS else logging.getLogger(name)
            logger.exception("failed")
    text = capsys.readouterr().err
    assert text.count("ZeroDivisionError: 6") == 2
    assert "s3cret" not in text


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"])))
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_address_loses_its_credentials_whoever_says_it(log_format: str, password: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings.model_validate({"log_format": log_format}))
    address = f"postgresql://user:s3cret{password}@db.example/rows"
    logging.getLogger("some.library").warning("cannot reach %s: gone", address)
    structlog.get_logger(OURS).warning("waiting", error=f"cannot reach '{address}'.", where=ValueError(address))
    text = capsys.readouterr().err
    assert text.count("postgresql://") == 3
    assert "s3cret" not in text


def test_what_holds_no_secret_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    structlog.get_logger(OURS).warning("camera_offline", error="rtsp://***@10.0.0.7:554/door: nothing listens on port 554")
    assert said(capsys)[0]["error"] == "rtsp://***@10.0.0.7:554/door: nothing listens on port 554"
