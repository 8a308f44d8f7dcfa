"""One part's way from waiting to healthy, and back on its feet; pure but for the tasks that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from pipeline.errors import ConfigurationError
from services.stack.part import Exit, PartState

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports import Clock
    from services.stack.part import Part, Say

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # after so long in good health the next pause is the first one again
ILL_S = 30.0  # who does not answer for so long is ended and started again
_CHECK_EVERY_S = 5.0
_CHECK_SOON_S = 0.5  # while it starts, or is ill
_CHECK_TIMEOUT_S = 15.0
_RUNS = frozenset({PartState.STARTING, PartState.HEALTHY, PartState.ILL})
_MAY_RUN = _RUNS | {PartState.PREPARING}  # of a part whose preparation is its start


class Task(Protocol):
    """Something that is done in a thread of its own."""

    @property
    def done(self) -> bool:
        """Whether it is over."""

    @property
    def error(self) -> Exception | None:
        """Why it failed."""


Spawn: TypeAlias = "Callable[[Callable[[], None]], Task]"


class Post:
    """Keeps one part running.

    Args:
        part: Which.
        clock: Paces.
        spawn: Starts a task.
        notice: Told in a line what became of the part.
    """

    def __init__(self, part: Part, clock: Clock, spawn: Spawn, notice: Say) -> None:
        self.part = part
        self.state = PartState.WAITING
        self.doing = ""  # what it is busy with, for people
        self.error = ""  # why it was not well the last time
        self.restarts = 0
        self.failures = 0  # starts in a row that came to nothing
        self.refused = False  # it ended with the code that says: the user must change something
        self._clock = clock
        self._spawn = spawn
        self._notice = notice
        self._task: Task | None = None
        self._task_since_s = 0.0
        self._since_s = clock.monotonic()
        self._due_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._settled = False
        self._was_healthy = False
        self._started = False

    @property
    def is_well(self) -> bool:
        """Whether others can count on it."""
        return self.state in {PartState.HEALTHY, PartState.FINISHED}

    @property
    def runs(self) -> bool:
        """Whether a process of it may be there."""
        return self.state in _MAY_RUN and self.part.runner is not None

    def advance(self, *, needs_met: bool) -> None:
        """Take the next step, if one is due.

        Args:
            needs_met: Whether the parts that it needs are well.

        Raises:
            ConfigurationError: It has never been healthy, and cannot be until the user changes something.
        """
        now = self._clock.monotonic()
        if self.state in {PartState.WAITING, PartState.RESTARTING}:
            if needs_met and now >= self._due_s:
                self._enter(PartState.PREPARING, "")
                self._begin(lambda: self.part.prepare(self._say))
        elif self.state is PartState.PREPARING:
            self._launch()
        elif self.state in _RUNS:
            self._watch(needs_met=needs_met)

    def stopped(self) -> None:
        """Take note that it was stopped."""
        self._enter(PartState.STOPPED, "")

    def _launch(self) -> None:
        if self._task is None or not self._task.done:
            return
        error, self._task = self._task.error, None
        if error is None and self.part.runner is not None:
            try:
                self.part.runner.start()
            except OSError as refused:
                error = refused
        if error is not None:
            self._fail(error)
            return
        self.restarts += self._started
        self._started = True
        self._due_s = self._clock.monotonic()
        self._enter(PartState.STARTING, "waiting for its first answer")

    def _watch(self, *, needs_met: bool) -> None:
        now = self._clock.monotonic()
        ended = self.part.runner.poll() if self.part.runner is not None else None
        if ended is not None:
            self._bury(ended)
        elif self._task is None:
            if now >= self._due_s:
                self._begin(self._look)
        elif self._task.done:
            error, self._task = self._task.error, None
            self._hear(error, needs_met=needs_met)
        elif now - self._task_since_s > _CHECK_TIMEOUT_S and self._settled:
            self._hear(TimeoutError("does not answer"), needs_met=needs_met)

    def _look(self) -> None:
        self.part.check()
        if not self._settled:
            self.part.settle(self._say)
            self._settled = True

    def _hear(self, error: Exception | None, *, needs_met: bool) -> None:
        now = self._clock.monotonic()
        if error is None:
            self._due_s = now + _CHECK_EVERY_S
            self._thrive()
            return
        self._due_s = now + _CHECK_SOON_S
        is_outside = self.part.runner is None
        if self.state is not PartState.STARTING or is_outside:  # one of ours that starts cannot answer yet
            self.error = one_line(error)
        if self.state is PartState.HEALTHY:
            self._enter(PartState.ILL, self.error)
            self._notice(f"{self.part.name} is ill: {self.error}")
        elif isinstance(error, ConfigurationError) and not self._was_healthy:
            raise error
        elif not needs_met:
            self._since_s = now  # it is not its own fault
        elif is_outside and self.state is PartState.STARTING:
            self._miss()
        elif self.part.runner is not None and now - self._since_s > self._patience_s():
            self.part.runner.kill()
            self._fail(error)

    def _patience_s(self) -> float:
        return self.part.grace_s if self.state is PartState.STARTING else ILL_S

    def _miss(self) -> None:
        """Say why what somebody else runs has not answered yet, and count how long it has not."""
        now = self._clock.monotonic()
        if self.doing != self.error:
            self.doing = self.error
            self._notice(f"{self.part.name}: {self.error}; it is asked again and again")
        if now - self._since_s > ILL_S:
            self._since_s = now
            self.failures += 1

    def _thrive(self) -> None:
        if self.state is not PartState.HEALTHY:
            self._enter(PartState.HEALTHY, "")
            self._notice(f"{self.part.name} is healthy")
        self._was_healthy, self.failures, self.refused = True, 0, False
        if self._clock.monotonic() - self._since_s >= STEADY_S:
            self._pause_s = FIRST_PAUSE_S

    def _bury(self, ended: Exit) -> None:
        self._task = None
        if ended.code == 0 and self.part.may_finish:
            self._enter(PartState.FINISHED, "")
            self._notice(f"{self.part.name} has finished")
            return
        self.refused = ended.code == ConfigurationError.exit_code
        words = self.part.last_words() if ended.code > 0 else ""
        self._fail(RuntimeError(f"{ended}: {words}" if words else str(ended)))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ConfigurationError) and not self._was_healthy:
            raise error
        self.error = one_line(error)
        self.failures += 1
        self._task = None
        self._due_s = self._clock.monotonic() + self._pause_s
        self._notice(f"{self.part.name}: {self.error}; it is started again in {self._pause_s:.0f} s")
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._enter(PartState.RESTARTING, "")

    def _begin(self, work: Callable[[], None]) -> None:
        self._task_since_s = self._clock.monotonic()
        self._task = self._spawn(work)

    def _enter(self, state: PartState, doing: str) -> None:
        self.state, self.doing = state, doing
        self._since_s = self._clock.monotonic()

    def _say(self, doing: str) -> None:
        self.doing = doing


def one_line(error: Exception) -> str:
    """Return what an error says, in its first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
