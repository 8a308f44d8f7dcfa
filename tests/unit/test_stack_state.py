from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from rich.console import Console

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from services.stack.display import Display
from services.stack.down import take_down
from services.stack.joined import at_stack, with_stack
from services.stack.part import PartState
from services.stack.plan import plan_of
from services.stack.processes import Identity, boot, now_ticks, process
from services.stack.publisher import Publisher, redact_line
from services.stack.state import EMBEDDED, PartStatus, StackFolder, StackState
from services.stack.tables import status_table, troubles
from services.stack.up import NotUpError, is_complete
from tests.clocks import SteppedClock
from tests.e2e.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOBODY = Identity(pid=2**22 + 1, started_ticks=7)


def me() -> Identity:
    """Return this process, which lives."""
    found = process(os.getpid())
    assert found is not None
    return found.identity


def part(name: str, state: PartState = PartState.HEALTHY, **changes: Any) -> PartStatus:  # noqa: ANN401 - the fields have many types
    known = PartStatus(
        name=name,
        state=state,
        doing="",
        own=True,
        process=NOBODY,
        started_at=NOON,
        restarts=0,
        failures=0,
        refused=False,
        memory_bytes=100 * 2**20,
        cpu=0.25,
        address="127.0.0.1:9092",
        error="",
    )
    return replace(known, **changes)


def a_state(*parts: PartStatus, **changes: Any) -> StackState:  # noqa: ANN401 - as above
    known = StackState(
        boot=boot(),
        written_ticks=now_ticks(),
        at=NOON,
        since=NOON,
        supervisor=me(),
        sources=("rtsp://***@10.0.0.7/s",),
        database=EMBEDDED,
        kafka="127.0.0.1:9092",
        own_kafka=True,
        triton="127.0.0.1:8001",
        own_triton=True,
        parts=parts,
    )
    return replace(known, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    folder = StackFolder(tmp_path / "data")
    folder.make()
    return folder


def test_a_state_is_read_as_it_was_written_and_by_its_user_only(folder: StackFolder) -> None:
    state = a_state(part("kafka"), part("triton", PartState.ILL, process=None, started_at=None))
    folder.write(state)
    assert folder.read() == state
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir() if path.is_file()} == {0o600}


def test_what_is_forgotten_is_gone_with_the_passwords(folder: StackFolder) -> None:
    folder.write(a_state())
    folder.write_private(folder.sources, b"rtsp://me:secret@10.0.0.7/s")
    folder.path.joinpath("sources.new").touch()  # one that was not written to its end
    folder.forget()
    assert [path.name for path in folder.path.iterdir()] == ["logs"]
    folder.forget()


def test_what_another_version_has_written_is_no_state(folder: StackFolder) -> None:
    folder.write_private(folder.path / "state.json", b'{"something": "else"}')
    assert folder.read() is None


def test_the_document_fits_its_schema() -> None:
    schema = json.loads((ROOT / "docs" / "stack.schema.json").read_text(encoding="utf-8"))
    state = a_state(part("kafka"), part("triton", PartState.RESTARTING, process=None, started_at=None, error="it died"))
    for up in (True, False):
        document = state.document(up=up)
        jsonschema.validate(document, schema)
        assert document["pid"] == (os.getpid() if up else None)
    jsonschema.validate({"up": False, "pid": None, "parts": []}, schema)


def test_only_one_is_the_supervisor_and_others_see_that_it_lives(folder: StackFolder) -> None:
    assert not folder.is_up()
    with folder.held():
        assert folder.is_up()
        with pytest.raises(ConfigurationError, match="is up already"), folder.held():
            pass
    assert not folder.is_up()


def test_after_a_crash_it_is_said_who_lives_still() -> None:
    left = a_state(part("kafka", process=me()), part("triton")).after_crash()
    assert [(each.name, each.state) for each in left.parts] == [("kafka", PartState.ILL), ("triton", PartState.STOPPED)]
    assert left.parts[1].process is None
    rebooted = replace(a_state(part("kafka", process=me())), boot="another").after_crash()
    assert rebooted.parts[0].state is PartState.STOPPED


def settings(folder: StackFolder, **values: object) -> Settings:
    return Settings.model_validate({"data_dir": folder.path.parent, **values})


def test_a_command_joins_the_stack_that_is_up(folder: StackFolder) -> None:
    folder.write(a_state())
    with folder.held():
        joined = at_stack(settings(folder))
        assert (joined.settings.kafka_bootstrap, joined.settings.triton_url) == ("127.0.0.1:9092", "127.0.0.1:8001")
        assert joined.settings.kafka_replication == 1
        joined.require_workers()
        assert with_stack(settings(folder)) == joined.settings
    with pytest.raises(Exception, match="the stack has ended"):
        joined.require_workers()


def test_where_no_stack_is_up_it_is_said_how_to_start_one(folder: StackFolder) -> None:
    folder.write(a_state())  # of one that was killed
    with pytest.raises(ConfigurationError, match="start it with: headcount stack up"):
        at_stack(settings(folder))
    assert with_stack(settings(folder)).kafka_bootstrap is None


def test_what_a_supervisor_that_was_killed_wrote_is_not_taken_for_the_next_ones_state(folder: StackFolder) -> None:
    folder.write(a_state(supervisor=NOBODY))
    with folder.held():  # by one that has written nothing yet
        assert folder.living() is None
        with pytest.raises(ConfigurationError, match="no stack is up"):
            at_stack(settings(folder))
        folder.write(a_state())
        assert folder.living() == folder.read()
    assert folder.living() is None


def test_what_a_supervisor_of_an_earlier_boot_wrote_is_forgotten_by_down(folder: StackFolder) -> None:
    folder.write(a_state(boot="another", supervisor=NOBODY, database="postgresql://db/headcount"))
    folder.write_private(folder.sources, b"rtsp://me:secret@10.0.0.7/s")
    assert take_down(settings(folder), Console(file=StringIO()), pytest.fail)
    assert folder.read() is None
    assert not folder.sources.exists()
    assert not take_down(settings(folder), Console(file=StringIO()), pytest.fail)


def test_a_state_that_cannot_be_written_is_written_later(folder: StackFolder) -> None:
    clock = SteppedClock()
    publisher = Publisher(folder, plan_of(settings(folder), has_sources=False), [], clock)
    in_the_way = folder.path / "state.json.new"
    in_the_way.mkdir()
    publisher.tell([])
    assert folder.read() is None
    in_the_way.rmdir()
    clock.step(1.0)
    publisher.tell([])
    assert folder.read() is not None


def test_a_stack_is_complete_without_cameras_that_are_away_and_without_nothing_else(folder: StackFolder) -> None:
    away = part("ingest", PartState.RESTARTING, failures=3, error="ended with code 1: the camera does not answer")
    well = part("kafka")
    assert is_complete(folder, a_state(well, part("ingest")))
    assert is_complete(folder, a_state(well, away))
    assert not is_complete(folder, a_state(well, replace(away, failures=2)))
    assert not is_complete(folder, a_state(part("kafka", PartState.STARTING), away))
    for failing in (replace(away, refused=True), replace(away, name="worker")):
        with pytest.raises(NotUpError, match=f"{failing.name} does not come up"):
            is_complete(folder, a_state(well, failing))


@pytest.mark.parametrize(
    ("of_the_stack", "here", "message"),
    [
        ({"own_kafka": False}, {}, "started with HEADCOUNT_KAFKA_BOOTSTRAP"),
        ({}, {"kafka_bootstrap": "broker:9092"}, "started without HEADCOUNT_KAFKA_BOOTSTRAP"),
        ({"own_triton": False}, {}, "started with HEADCOUNT_TRITON_URL"),
        ({"database": "postgresql://db/headcount"}, {}, "started with HEADCOUNT_DATABASE_URL"),
        ({}, {"database_url": "postgresql://db/headcount"}, "started without HEADCOUNT_DATABASE_URL"),
    ],
)
def test_a_command_uses_the_servers_with_which_the_stack_was_started(
    folder: StackFolder, of_the_stack: dict[str, object], here: dict[str, object], message: str
) -> None:
    folder.write(a_state(**of_the_stack))
    with folder.held(), pytest.raises(ConfigurationError, match=message):
        at_stack(settings(folder, **here))


def test_a_servers_own_brokers_are_used_where_they_are_set_on_both_sides(folder: StackFolder) -> None:
    folder.write(a_state(own_kafka=False, kafka="broker:9092"))
    with folder.held():
        joined = at_stack(settings(folder, kafka_bootstrap="broker:9092", kafka_tls=True))
    assert joined.settings.kafka_tls
    assert joined.settings.kafka_replication == 3


def test_the_table_fits_a_terminal_and_says_what_is_wrong() -> None:
    state = a_state(
        part("postgres", address="a socket"),
        part("kafka", PartState.RESTARTING, process=None, started_at=None, error="was killed by SIGKILL", restarts=2),
        part("triton", own=False, process=None, started_at=None, memory_bytes=0),
    )
    written = StringIO()
    console = Console(file=written, width=100)
    console.print(status_table(state, NOON + timedelta(seconds=90)))
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:2] == ["postgres", "healthy"] and "1 min 30 s" in line and "100 MiB" in line for line in lines)
    assert any(line.split()[:2] == ["kafka", "restarting"] for line in lines)
    assert any("(your own)" in line for line in lines)
    assert troubles(state) == ["kafka: was killed by SIGKILL"]


def test_without_a_terminal_each_change_is_a_line() -> None:
    written = StringIO()
    console = Console(file=written, width=100)
    with Display(console, SteppedClock()) as display:
        for doing in ("fetching Kafka 4.3.1, 44 MB, once", "fetching Kafka 4.3.1, 44 MB, once", "writing its configuration"):
            display.show(a_state(part("kafka", PartState.PREPARING, doing=doing, process=None, started_at=None)))
        display.show(a_state(part("kafka")))
    assert written.getvalue().splitlines() == [
        "kafka: preparing, fetching Kafka 4.3.1, 44 MB, once",
        "kafka: preparing, writing its configuration",
        "kafka: healthy",
    ]


def test_what_a_part_said_last_is_shown_without_credentials() -> None:
    assert "secret" not in redact_line("ended with code 1: rtsp://me:secret@10.0.0.7/s does not answer")
