"""What `headcount status` says, as a document that keeps to its schema and as tables."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from pipeline.adapters.postgres.status import CameraStatus, ColumnStatus, Holding, PartitionStatus, WorkerStatus
from pipeline.settings import Settings
from pipeline.types import Lag
from services.status import End, Status, look
from services.status_tables import bar, duration_text, print_status, ranges_text
from tests.contract.samples import NOON

SCHEMA = Path(__file__).parents[2] / "docs/status.schema.json"

HELD = PartitionStatus(
    partition=0,
    holding=Holding.ALIVE,
    slot="entrance-0",
    node="shop",
    pid=4711,
    position=812,
    crashes=0,
    suspect_offset=None,
    suspect_count=0,
)
DEADLY = PartitionStatus(
    partition=1, holding=Holding.OVERDUE, slot="[bold]x", node="shop", pid=1, position=5, crashes=3, suspect_offset=5, suspect_count=2
)
FREE = replace(HELD, partition=2, holding=Holding.FREE, slot=None, node=None, pid=None, position=0)
GONE = replace(FREE, partition=3, holding=Holding.GONE)
COLUMN = ColumnStatus(
    log_uid="local:a",
    since=NOON - timedelta(minutes=2),
    until=NOON + timedelta(minutes=1),
    partitions=[HELD, DEADLY, FREE, GONE],
    workers=[
        WorkerStatus(slot="entrance-0", node="shop", pid=4711, seen_s=0.4, alive=True, partitions=1),
        WorkerStatus(slot="[bold]x", node="shop", pid=1, seen_s=75, alive=False, partitions=1),
    ],
    cameras=[
        CameraStatus(name="door", site="default", partition=0, fed_s=1.5, last_minute=NOON, seconds=(60, 30, 0)),
        CameraStatus(name="[red]yard", site="default", partition=1, fed_s=None, last_minute=None, seconds=(0, 0, 0)),
    ],
    rejected={"low_score": 12, "blurred": 3},
    dead_letters={},
)
ENDS = {0: End(offset=815, lag=Lag(records=3, seconds=4.25)), 1: End(offset=5, lag=Lag(records=0, seconds=0.0))}
STATUS = Status(at=NOON, place="the database", column=COLUMN, ends=ENDS)
NOTHING = Status(at=NOON, place="[bold]folder", column=None, ends=None)


def printed(status: Status) -> list[str]:
    page = io.StringIO()
    print_status(status, Console(file=page, width=200, color_system=None))
    return [text.rstrip() for text in page.getvalue().splitlines()]


def line(lines: list[str], start: str) -> list[str]:
    (found,) = [text.split() for text in lines if text.strip().startswith(start)]
    return found


@pytest.mark.parametrize(
    "status",
    [
        STATUS,
        NOTHING,
        replace(STATUS, ends=None),
        replace(STATUS, column=replace(COLUMN, log_uid=None, partitions=[], workers=[], cameras=[])),
    ],
)
def test_the_document_keeps_to_its_schema(status: Status) -> None:
    document: dict[str, Any] = json.loads(json.dumps(status.document()))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker()).validate(document)


def test_the_document_says_what_is_known() -> None:
    document = STATUS.document()
    assert document["log"] == {"uid": "local:a", "here": True}
    assert document["minutes"] == {"from": "2026-11-21T11:58:00+00:00", "to": "2026-11-21T12:01:00+00:00"}
    held, deadly, *_ = document["partitions"]
    assert (held["position"], held["end"], held["lag_records"], held["lag_s"], held["careful"]) == (812, 815, 3, 4.25, False)
    assert (deadly["state"], deadly["careful"], deadly["suspect_offset"], deadly["suspect_count"]) == ("overdue", True, 5, 2)
    assert document["partitions"][2]["end"] is None
    assert document["cameras"][0]["observed_s"] == 90


def test_the_tables_say_it_to_people() -> None:
    lines = printed(STATUS)
    assert line(lines, "0") == ["0", "entrance-0", "shop", "4711", "812", "815", "3", "4.2", "s", "-"]
    assert line(lines, "1") == ["1", "[bold]x", "overdue", "shop", "1", "5", "5", "0", "-", "3,", "careful,", "at", "5:", "2"]
    assert line(lines, "2") == ["2", "nobody", "-", "0", "?", "?", "?", "-"]
    assert line(lines, "3") == ["3", "a", "worker", "that", "is", "gone", "-", "0", "?", "?", "?", "-"]
    assert line(lines, "door") == ["door", "0", "1.5", "s", "ago", "90", "of", "180", "s", "█▄·", "2026-11-21", "12:00"]
    assert line(lines, "[red]yard")[-1] == "never"
    assert "cameras, minute by minute, 2026-11-21 11:58 to 12:01 UTC" in lines
    assert "seen and not used, 2026-11-21 11:58 to 12:01 UTC: low_score 12, blurred 3" in lines
    assert "set aside, dead letters, 2026-11-21 11:58 to 12:01 UTC: none" in lines


def test_what_one_holder_holds_and_has_nothing_to_do_is_one_line() -> None:
    theirs = [replace(HELD, partition=number, position=7) for number in range(9)]
    nobodys = [replace(FREE, partition=number) for number in (9, 10)]
    busy, deadly = {3: Lag(records=2, seconds=1.0)}, replace(theirs[6], crashes=1)
    column = replace(COLUMN, partitions=[*theirs[:6], deadly, *theirs[7:], *nobodys], workers=[])  # cameras are in 0 and 1
    lines = printed(
        replace(STATUS, column=column, ends={n: End(offset=7, lag=busy.get(n, Lag(records=0, seconds=0.0))) for n in range(11)})
    )
    assert line(lines, "0 ") == ["0", "entrance-0", "shop", "4711", "7", "7", "0", "-", "-"]
    assert line(lines, "1 ")[0] == "1"
    assert line(lines, "2, 4-5, 7-8") == ["2,", "4-5,", "7-8", "entrance-0", "shop", "4711", "-", "-", "0", "-", "-"]
    assert line(lines, "3 ")[6] == "2"
    assert line(lines, "6 ")[-1] == "1"
    assert line(lines, "9-10") == ["9-10", "nobody", "-", "-", "-", "0", "-", "-"]


def test_where_the_end_is_not_known_each_partition_is_a_line() -> None:
    column = replace(COLUMN, partitions=[FREE, replace(FREE, partition=7)], workers=[], cameras=[])
    lines = printed(replace(STATUS, column=column, ends={}))
    assert line(lines, "2")[0] == "2"
    assert line(lines, "7")[0] == "7"


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([4], "4"), ([0, 2, 3, 4, 6, 7], "0, 2-4, 6-7")])
def test_numbers_in_a_row_are_a_range(numbers: list[int], text: str) -> None:
    assert ranges_text(numbers) == text


def test_a_log_that_is_elsewhere_is_said() -> None:
    assert any("the log is not on this machine" in text for text in printed(replace(STATUS, ends=None)))
    assert not any("not on this machine" in text for text in printed(STATUS))


def test_where_there_is_nothing_yet_is_one_line() -> None:
    (only,) = printed(NOTHING)
    assert only.startswith("nothing is kept in [bold]folder yet")


def test_looking_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    found = look(Settings(data_dir=tmp_path / "none"), print, minutes=10)
    assert found.column is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("seconds", "text"), [((0, 1, 30, 59, 60), "·▁▄██"), ((), "")])
def test_a_minute_is_a_character(seconds: tuple[int, ...], text: str) -> None:
    assert bar(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_durations_are_as_exact_as_is_useful(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
