from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pipeline.metrics import Stage, stage_seconds, timed
from services.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Mapping


def rows(seconds: Mapping[str, float], elapsed_s: float, threads: int) -> dict[str, list[str]]:
    page = io.StringIO()
    Console(file=page, width=100, color_system=None).print(profile_table(seconds, elapsed_s, threads))
    lines = [line.split() for line in page.getvalue().splitlines() if "%" in line]
    return {" ".join(filter(str.isalpha, cells)): [cell for cell in cells if not cell.isalpha()] for cells in lines}


def test_each_stage_has_its_time_and_share_and_what_is_left_is_the_rest() -> None:
    found = rows({"decode": 6.0, "detect": 3.0}, elapsed_s=10.0, threads=2)
    assert list(found) == [*(stage.value for stage in Stage), "waiting", "all"]
    assert found["decode"] == ["6.00", "30.0%", "███████"]
    assert found["detect"] == ["3.00", "15.0%", "████"]
    assert found["track"] == ["0.00", "0.0%"]
    assert found["waiting"] == ["11.00", "55.0%", "█████████████"]
    assert found["all"] == ["20.00", "100%"]


def test_more_time_than_the_threads_had_is_no_negative_rest() -> None:
    """Stages may be read a moment after the time was taken."""
    found = rows({"decode": 3.0}, elapsed_s=2.0, threads=1)
    assert found["waiting"] == ["0.00", "0.0%"]
    assert found["decode"][1] == "100.0%"


def test_no_time_at_all_is_no_division_by_zero() -> None:
    assert rows({}, elapsed_s=0.0, threads=1)["all"] == ["0.00", "100%"]


@pytest.mark.parametrize("stage", Stage)
def test_the_time_of_a_block_is_its_stage_s(stage: Stage) -> None:
    before = stage_seconds()
    with timed(stage):
        pass
    after = stage_seconds()
    assert set(after) == {stage.value for stage in Stage}
    assert {name for name in after if after[name] != before[name]} == {stage.value}
