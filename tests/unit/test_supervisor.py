from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from pipeline.errors import ClusterLostError, ConfigurationError
from pipeline.health import Health
from pipeline.ports import Absence
from pipeline.settings import Settings
from pipeline.supervisor import Supervisor
from tests.clocks import SteppedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass
class FakeCrew:
    """A `Crew` whose workers answer what the test says."""

    clock: SteppedClock
    answers: dict[str, Absence | Health] = field(default_factory=dict)  # instead of a healthy one
    lost: int = 0  # so many calls find no cluster
    running: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # what was done to the workers

    def start(self, slot: str) -> None:
        self._there()
        assert slot not in self.running
        self.running.append(slot)
        self.done.append(f"start {slot}")

    def ask(self, timeout_s: float) -> Mapping[str, Health | Absence]:
        self._there()
        answers = {slot: self.answers.get(slot, healthy("first")) for slot in self.running}
        if Absence.SILENT in answers.values():
            self.clock.step(timeout_s)
        return answers

    def replace(self, slot: str) -> None:
        self.done.append(f"replace {slot}")

    def stop(self, slots: Sequence[str], timeout_s: float) -> Mapping[str, Health]:
        self.done.append(f"stop {' '.join(slots)}" if timeout_s else f"end {' '.join(slots)}")
        self.running = [slot for slot in self.running if slot not in slots]
        return {slot: healthy("last") for slot in slots}

    def rebuild(self) -> None:
        self.done.append("rebuild")
        self.running = []
        self._there()

    def _there(self) -> None:
        if self.lost > 0:
            self.lost -= 1
            raise ClusterLostError("the cluster is gone")


def healthy(incarnation: str) -> Health:
    return Health(incarnation=incarnation, pid=1)


class Scene:
    """A supervisor and its crew; `at` says what happens when, in seconds."""

    def __init__(self, **settings: object) -> None:
        self.clock = SteppedClock()
        self.crew = FakeCrew(self.clock)
        self.told: list[tuple[str, str]] = []
        self.notices: list[str] = []
        self.lag_s = 0.0
        self._settings = Settings.model_validate({"actors": 2, **settings})
        self._at: list[tuple[float, Callable[[], None]]] = []

    def at(self, second: float, happens: Callable[[], None]) -> Scene:
        self._at.append((second, happens))
        return self

    def answers(self, second: float, slot: str, answer: Absence | Health) -> Scene:
        return self.at(second, lambda: self.crew.answers.update({slot: answer}))

    def run(self, seconds: float) -> list[str]:
        def done() -> bool:
            for event in [event for event in self._at if event[0] <= self.clock.monotonic()]:
                self._at.remove(event)
                event[1]()
            return self.clock.monotonic() >= seconds

        supervisor = Supervisor(
            self.crew,
            self._settings,
            slot="s",
            clock=self.clock,
            tell=lambda slot, health: self.told.append((slot, health.incarnation)),
            notice=self.notices.append,
        )
        supervisor.run(done, lambda: self.lag_s)
        return self.crew.done


def test_as_many_workers_as_the_settings_say_are_started_told_of_and_stopped() -> None:
    scene = Scene()
    assert scene.run(1) == ["start s-0", "start s-1", "stop s-0 s-1"]
    assert ("s-1", "first") in scene.told
    assert scene.told[-2:] == [("s-0", "last"), ("s-1", "last")]
    assert scene.notices == []


def test_a_worker_that_goes_silent_is_replaced_after_six_seconds_and_the_next_one_has_time_to_start() -> None:
    scene = Scene().answers(5, "s-1", Absence.SILENT)
    assert scene.run(60).count("replace s-1") == 1
    assert "replace s-0" not in scene.crew.done
    assert scene.notices == ["worker s-1 does not answer; it is ended and started again"]


def test_a_worker_is_not_taken_for_silent_because_nobody_asked_it_for_a_while() -> None:
    scene = Scene()
    scene.at(5, lambda: scene.clock.step(30)).answers(5, "s-0", Absence.SILENT).answers(37.5, "s-0", healthy("first"))
    assert "replace s-0" not in scene.run(60)


def test_a_worker_that_never_comes_up_is_replaced_in_the_end() -> None:
    scene = Scene().answers(0, "s-0", Absence.SILENT)
    assert "replace s-0" not in scene.run(90)
    assert "replace s-0" in Scene().answers(0, "s-0", Absence.SILENT).run(120)


def test_a_worker_that_died_and_is_being_restarted_has_time_to_start() -> None:
    scene = Scene().answers(5, "s-1", Absence.RESTARTING).answers(6, "s-1", Absence.SILENT).answers(50, "s-1", healthy("second"))
    assert "replace s-1" not in scene.run(60)
    assert scene.notices == ["worker s-1 died; it is started again"]


def test_deaths_are_told_ever_more_rarely() -> None:
    scene = Scene()
    for second in range(1, 10):
        scene.answers(second, "s-0", healthy(str(second)))
    scene.run(20)
    told = ["", *(f" again, {n} times by now" for n in (2, 4, 8))]
    assert scene.notices == [f"worker s-0 died{times}; it is started again" for times in told]


def test_a_lost_cluster_is_built_anew_with_its_workers() -> None:
    scene = Scene()
    scene.at(5, lambda: setattr(scene.crew, "lost", 1))
    assert scene.run(10) == ["start s-0", "start s-1", "rebuild", "start s-0", "start s-1", "stop s-0 s-1"]
    assert scene.notices == ["the cluster is gone; it is built anew"]


def test_a_cluster_that_cannot_be_built_is_tried_again() -> None:
    scene = Scene()
    scene.at(5, lambda: setattr(scene.crew, "lost", 4))
    done = scene.run(30)
    assert done.count("rebuild") == 2
    assert done[-1] == "stop s-0 s-1"


def test_a_long_loss_is_said_once() -> None:
    scene = Scene()
    scene.at(5, lambda: setattr(scene.crew, "lost", 100)).at(50, lambda: setattr(scene.crew, "lost", 0))
    scene.at(60, lambda: setattr(scene.crew, "lost", 1))
    assert scene.run(70).count("rebuild") > 10
    again = "the cluster is gone; it is built anew"
    assert scene.notices == [again, "the cluster is gone; trying again and again", again]


def test_what_the_user_must_mend_ends_it() -> None:
    scene = Scene().answers(1, "s-0", Health(incarnation="x", pid=1, failure="the model is broken"))
    with pytest.raises(ConfigurationError, match="the model is broken"):
        scene.run(10)
    assert scene.crew.done[-1] == "end s-0 s-1"


def test_a_second_ctrl_c_does_not_wait() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    scene = Scene().at(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        scene.run(10)
    assert scene.crew.done[-1] == "end s-0 s-1"


def test_lag_brings_workers_one_by_one_up_to_the_most_and_idleness_takes_them_back() -> None:
    scene = Scene(actors=1, actors_max=3, scale_lag_s=10, scale_idle_s=120)
    scene.at(1, lambda: setattr(scene, "lag_s", 30.0)).at(100, lambda: setattr(scene, "lag_s", 0.5))
    done = scene.run(600)
    assert done == ["start s-0", "start s-1", "start s-2", "stop s-2", "stop s-1", "stop s-0"]


def test_without_a_most_lag_changes_nothing() -> None:
    scene = Scene(actors=1)
    scene.lag_s = 1000.0
    assert scene.run(100) == ["start s-0", "stop s-0"]


def sample(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(f"headcount_{name}", labels)
    assert value is not None
    return value


def test_what_it_does_is_counted() -> None:
    def counted() -> list[float]:
        replaced = [sample("workers_replaced_total", reason=reason) for reason in ("died", "hung", "cluster_lost")]
        return [*replaced, sample("scale_changes_total", direction="up"), sample("scale_changes_total", direction="down")]

    before = counted()
    scene = Scene(actors=1, actors_max=2, scale_lag_s=10, scale_idle_s=30)
    scene.answers(1, "s-0", healthy("second")).answers(3, "s-0", Absence.SILENT).answers(12, "s-0", healthy("third"))
    scene.at(20, lambda: setattr(scene.crew, "lost", 1))
    scene.at(30, lambda: setattr(scene, "lag_s", 60.0)).at(60, lambda: setattr(scene, "lag_s", 0.0))
    scene.run(120)
    assert [after - earlier for after, earlier in zip(counted(), before, strict=True)] == [1, 1, 1, 1, 1]
    assert (sample("workers_wanted"), sample("workers_running")) == (1, 1)
