from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError, TransientError
from services.stack.part import Exit, Part, PartState
from services.stack.post import ILL_S, LONGEST_PAUSE_S, STEADY_S
from services.stack.supervisor import Supervisor
from tests.clocks import SteppedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.stack.part import Say
    from services.stack.post import Post
    from services.stack.processes import Identity


class Hanging(Exception):  # noqa: N818 - no error: it stands for work that does not come to an end
    """Raised by a check that never answers."""


@dataclass
class FakeTask:
    """A task that is over at once, or never."""

    done: bool = True
    error: Exception | None = None


@dataclass
class FakeRunner:
    """A process that does what the test says; writes down what was done to it."""

    name: str
    done: list[str]
    ended: Exit | None = None
    obeys: bool = True
    refuses: bool = False
    running: bool = False

    def start(self) -> None:
        assert not self.running
        if self.refuses:
            raise FileNotFoundError(2, "No such file or directory")
        self.done.append(f"start {self.name}")
        self.running, self.ended = True, None

    def identity(self) -> Identity | None:
        return None

    def poll(self) -> Exit | None:
        if self.ended is not None:
            self.running = False
        return self.ended

    def terminate(self) -> None:
        self.done.append(f"terminate {self.name}")
        if self.obeys:
            self.ended = Exit(code=0)

    def kill(self) -> None:
        self.done.append(f"kill {self.name}")
        self.running, self.ended = False, Exit(code=-9)


@dataclass
class FakePart:
    """A part whose check and preparation answer what the test says."""

    name: str
    done: list[str]
    needs: tuple[str, ...] = ()
    may_finish: bool = False
    outside: bool = False
    sick: Exception | None = None
    unprepared: Exception | None = None
    runner: FakeRunner = field(init=False)

    def __post_init__(self) -> None:
        self.runner = FakeRunner(self.name, self.done)

    def check(self) -> None:
        if self.sick is not None:
            raise self.sick

    def prepare(self, _: Say) -> None:
        if self.unprepared is not None:
            raise self.unprepared

    def settle(self, _: Say) -> None:
        self.done.append(f"settle {self.name}")

    def part(self) -> Part:
        return Part(
            name=self.name,
            check=self.check,
            needs=self.needs,
            runner=None if self.outside else self.runner,
            prepare=self.prepare,
            settle=self.settle,
            last_words=lambda: "the last line",
            grace_s=100.0,
            stop_s=10.0,
            may_finish=self.may_finish,
        )


class Scene:
    """A supervisor of three parts, of which each needs those before it; `at` says what happens when, in seconds."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.done: list[str] = []
        self.notices: list[str] = []
        self.database = FakePart("database", self.done)
        self.broker = FakePart("broker", self.done, needs=("database",))
        self.worker = FakePart("worker", self.done, needs=("database", "broker"))
        self.posts: Sequence[Post] = ()
        self.hurry = False
        self._at: list[tuple[float, Callable[[], None]]] = []

    def at(self, second: float, happens: Callable[[], None]) -> Scene:
        self._at.append((second, happens))
        return self

    def run(self, seconds: float) -> Scene:
        """Run until a moment, from the beginning, and take everything down."""
        parts = [self.database, self.broker, self.worker]
        supervisor = Supervisor([each.part() for each in parts], self.clock, self.spawn, notice=self.notices.append, tell=self.hear)

        def done() -> bool:
            now = self.clock.monotonic()
            for moment, happens in [due for due in self._at if due[0] <= now]:
                happens()
                self._at.remove((moment, happens))
            if now >= seconds:
                self.done.append("down")
            return now >= seconds

        supervisor.run(done, lambda: self.hurry)
        return self

    def spawn(self, work: Callable[[], None]) -> FakeTask:
        try:
            work()
        except Hanging:
            return FakeTask(done=False)
        except Exception as error:  # noqa: BLE001 - as the real one
            return FakeTask(error=error)
        return FakeTask()

    def hear(self, posts: Sequence[Post]) -> None:
        self.posts = [*posts]

    def end(self, part: FakePart, code: int) -> Callable[[], None]:
        """Return what ends a part's process."""

        def happens() -> None:
            part.runner.ended = Exit(code=code)

        return happens

    def sicken(self, part: FakePart, error: Exception | None) -> Callable[[], None]:
        """Return what lets a part's check fail from now on, or not any more."""

        def happens() -> None:
            part.sick = error

        return happens

    def starts(self, part: FakePart) -> int:
        return self.done.count(f"start {part.name}")


def test_parts_start_in_their_order_and_end_in_the_reverse() -> None:
    scene = Scene().run(5.0)
    assert scene.done == [
        *("start database", "settle database", "start broker", "settle broker", "start worker", "settle worker"),
        *("down", "terminate worker", "terminate broker", "terminate database"),
    ]
    assert {post.state for post in scene.posts} == {PartState.STOPPED}


def test_a_part_waits_until_what_it_needs_answers() -> None:
    scene = Scene()
    scene.database.sick = TransientError("it is starting")
    scene.at(20.0, scene.sicken(scene.database, None)).run(19.0)
    assert scene.starts(scene.broker) == 0


def test_one_that_dies_is_started_again_with_longer_and_longer_pauses() -> None:
    scene = Scene()
    ends: list[float] = []

    def end_if_it_runs() -> None:
        if scene.broker.runner.running:
            scene.broker.runner.ended = Exit(code=-9)
            ends.append(scene.clock.monotonic())

    for step in range(1, 1500):
        scene.at(step / 10, end_if_it_runs)
    scene.run(150.0)
    pauses = [later - sooner for sooner, later in pairwise(ends)]
    assert pauses[:5] == pytest.approx([1, 2, 4, 8, 16], abs=0.5)
    assert max(pauses) == pytest.approx(LONGEST_PAUSE_S, abs=0.5)
    assert scene.starts(scene.worker) <= 1  # it is not disturbed; it waits for itself


def test_after_a_minute_in_good_health_the_pause_is_short_again() -> None:
    scene = Scene()
    for second in (5.0, 10.0, 15.0, 15.0 + STEADY_S + 20.0):
        scene.at(second, scene.end(scene.broker, 1))
    scene.run(120.0)
    assert [line for line in scene.notices if "started again" in line] == [
        f"broker: ended with code 1: the last line; it is started again in {pause} s" for pause in (1, 2, 4, 1)
    ]


def test_one_that_does_not_answer_for_long_is_ended_and_started_again() -> None:
    scene = Scene()
    scene.at(5.0, scene.sicken(scene.broker, TransientError("no answer"))).at(ILL_S + 12.0, scene.sicken(scene.broker, None)).run(60.0)
    assert scene.starts(scene.broker) == 2
    assert "kill broker" in scene.done
    assert scene.starts(scene.worker) == 1


def test_a_short_illness_is_waited_for() -> None:
    scene = Scene()
    scene.at(5.0, scene.sicken(scene.broker, TransientError("no answer"))).at(25.0, scene.sicken(scene.broker, None)).run(60.0)
    assert scene.starts(scene.broker) == 1
    assert scene.notices.count("broker is healthy") == 2


def test_one_whose_check_hangs_is_ill() -> None:
    scene = Scene()
    scene.at(5.0, scene.sicken(scene.broker, Hanging())).run(90.0)
    assert "broker is ill: does not answer" in scene.notices
    assert scene.done.count("kill broker") == 1
    assert scene.starts(scene.broker) == 2


def test_one_is_not_ended_for_what_the_parts_that_it_needs_lack() -> None:
    scene = Scene()
    away = TransientError("the broker is away")
    scene.at(5.0, scene.sicken(scene.broker, away)).at(5.0, scene.sicken(scene.worker, away)).run(120.0)
    assert scene.starts(scene.broker) > 1
    assert scene.starts(scene.worker) == 1


def test_what_somebody_else_runs_is_asked_and_never_ended() -> None:
    scene = Scene()
    scene.broker.outside = True
    scene.at(5.0, scene.sicken(scene.broker, TransientError("no answer"))).run(100.0)
    assert not [line for line in scene.done if line.endswith(" broker") and not line.startswith("settle")]
    assert scene.starts(scene.worker) == 1


def test_what_somebody_else_runs_and_never_answers_is_said_once_and_counted() -> None:
    scene = Scene()
    scene.broker.outside = True
    scene.broker.sick = TransientError("connection refused")
    seen: list[tuple[str, int]] = []
    scene.at(5.0, lambda: seen.append((scene.posts[1].doing, scene.posts[1].failures)))
    scene.at(3 * ILL_S + 5.0, lambda: seen.append((scene.posts[1].error, scene.posts[1].failures)))
    scene.run(3 * ILL_S + 10.0)
    assert seen == [("connection refused", 0), ("connection refused", 3)]
    assert [line for line in scene.notices if "refused" in line] == ["broker: connection refused; it is asked again and again"]
    assert scene.starts(scene.worker) == 0


def test_what_somebody_else_runs_and_answers_late_is_healthy() -> None:
    scene = Scene()
    scene.broker.outside = True
    scene.broker.sick = TransientError("connection refused")
    scene.at(2 * ILL_S, scene.sicken(scene.broker, None)).run(2 * ILL_S + 10.0)
    assert scene.posts[1].failures == 0
    assert scene.starts(scene.worker) == 1


def test_one_that_has_done_everything_is_not_started_again() -> None:
    scene = Scene()
    scene.worker.may_finish = True
    scene.at(5.0, scene.end(scene.worker, 0)).run(30.0)
    assert scene.starts(scene.worker) == 1
    assert "worker has finished" in scene.notices


def test_one_that_ends_though_there_is_work_is_started_again() -> None:
    scene = Scene()
    scene.at(5.0, scene.end(scene.worker, 0)).run(30.0)
    assert scene.starts(scene.worker) == 2


@pytest.mark.parametrize("fault", ["prepare", "check"])
def test_what_the_user_must_change_ends_everything_at_the_start(fault: str) -> None:
    scene = Scene()
    error = ConfigurationError("port 9092 is taken")
    if fault == "prepare":
        scene.broker.unprepared = error
    else:
        scene.broker.sick = error
    with pytest.raises(ConfigurationError, match="9092"):
        scene.run(30.0)
    assert scene.done[-1] == "terminate database"


def test_what_the_user_must_change_later_is_said_and_tried_again() -> None:
    scene = Scene()
    scene.at(5.0, scene.sicken(scene.broker, ConfigurationError("a permission is missing"))).run(20.0)
    assert "broker is ill: a permission is missing" in scene.notices


def test_what_cannot_be_fetched_is_tried_again() -> None:
    scene = Scene()
    scene.broker.unprepared = TransientError("no network")

    def mend() -> None:
        scene.broker.unprepared = None

    scene.at(10.0, mend).run(30.0)
    assert scene.starts(scene.worker) == 1


def test_one_that_is_still_being_prepared_is_told_to_end_too() -> None:
    scene = Scene()
    scene.database.unprepared = Hanging()
    scene.run(3.0)
    assert scene.done == ["down", "terminate database"]


def test_a_program_that_is_missing_is_said() -> None:
    scene = Scene()
    scene.broker.runner.refuses = True
    scene.run(2.0)
    assert any("No such file" in line for line in scene.notices)


def test_one_that_does_not_end_in_time_is_killed() -> None:
    scene = Scene()
    scene.broker.runner.obeys = False
    scene.run(5.0)
    assert scene.done[-4:] == ["terminate worker", "terminate broker", "kill broker", "terminate database"]
    assert scene.clock.monotonic() >= 15.0


def test_whoever_is_in_a_hurry_waits_for_none() -> None:
    scene = Scene()
    scene.broker.runner.obeys = False
    scene.hurry = True
    scene.run(5.0)
    assert scene.clock.monotonic() < 7.0
