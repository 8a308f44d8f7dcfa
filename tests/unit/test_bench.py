"""The benchmarks' own arithmetic; what they measure is not measured here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.bench.measure import Cost, Figure, alternately, ratio, write_json
from tests.bench.pace import largest_without_lag
from tests.bench.processes import Sample, Watched

if TYPE_CHECKING:
    from pathlib import Path


def test_a_ratio_is_taken_repeat_by_repeat() -> None:
    slow, fast = (Figure(what=what, values=values, unit="s") for what, values in (("slow", (4.0, 30.0, 6.0)), ("fast", (2.0, 10.0, 2.0))))
    assert ratio("slow : fast", slow, fast).values == (2.0, 3.0, 3.0)
    assert ratio("slow : fast", slow, fast).median == 3.0


def test_things_are_measured_in_turn() -> None:
    order: list[str] = []

    def action(name: str) -> Cost:
        order.append(name)
        return Cost(wall_s=len(order), cpu_s=0.0)

    costs = alternately(2, {"a": lambda: action("a"), "b": lambda: action("b")})
    assert order == ["a", "b", "a", "b"]
    assert [cost.wall_s for cost in costs["a"]] == [1, 3]


def test_cpu_between_two_instants_is_read_between_the_samples() -> None:
    samples = [Sample(at_s=10.0, cpu_s=5.0), Sample(at_s=12.0, cpu_s=6.0), Sample(at_s=14.0, cpu_s=10.0)]
    watched = Watched(code=0, stdout="", stderr="", wall_s=4.0, samples=samples)
    assert watched.cpu_between(11.0, 13.0) == pytest.approx(8.0 - 5.5)
    assert watched.cpu_between(10.0, 99.0) == pytest.approx(5.0)


@pytest.mark.parametrize("limit", range(2, 17))
def test_the_sweep_finds_the_largest_number_that_keeps_up(limit: int) -> None:
    assert largest_without_lag(lambda cameras: 0.0 if cameras <= limit else 60.0) == limit


def test_the_figures_are_written_with_every_value(tmp_path: Path) -> None:
    figure = Figure(what="commits", values=(1.0, 3.0, 2.0), unit="a second", goal="many")
    write_json(tmp_path / "figures.json", {"processor": "one"}, {"stores": [figure]})
    assert json.loads((tmp_path / "figures.json").read_text()) == {
        "processor": "one",
        "benchmarks": {"stores": [{"what": "commits", "median": 2.0, "unit": "a second", "goal": "many", "values": [1.0, 3.0, 2.0]}]},
    }
