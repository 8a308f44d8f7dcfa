"""Keeps workers running: starts, watches, replaces and counts them; knows the port of the crew only, not Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ClusterLostError, ConfigurationError
from pipeline.health import Health
from pipeline.metrics import SCALE_CHANGES, WORKERS_REPLACED, Replacement, Scaling, show_workers
from pipeline.ports import Absence

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports import Clock, Crew
    from pipeline.settings import Settings

_TICK_S = 0.25
_ANSWER_S = 2.0
_SILENCES = 3  # after so many questions in a row without an answer a worker hangs
_START_SILENCES = 45  # a new process may take 90 s to its first answer
_LAG_EVERY_S = 2.0
_REBUILD_S = 2.0


@dataclass(slots=True)
class _Post:
    """A slot and what is known of its worker."""

    incarnation: str | None = None
    starting: bool = True  # it has not answered since it was started
    silences: int = 0  # questions in a row without an answer; not seconds: who asks may itself have been kept from asking
    deaths: int = 0


class Supervisor:
    """Keeps as many workers running as the lag asks for.

    Args:
        crew: Where they run.
        settings: How many there are, at least and at most, and when that changes.
        slot: The slots are named `slot`-0, `slot`-1, ...; no other supervisor may use the same.
        clock: Paces the watching.
        tell: Told each worker's health, by slot.
        notice: Told in a line what was done to a worker.
    """

    def __init__(
        self,
        crew: Crew,
        settings: Settings,
        *,
        slot: str,
        clock: Clock,
        tell: Callable[[str, Health], None],
        notice: Callable[[str], None],
    ) -> None:
        self._crew = crew
        self._settings = settings
        self._slot = slot
        self._clock = clock
        self._tell = tell
        self._notice = notice
        self._least = settings.actors
        self._wanted = settings.actors
        self._most = max(settings.actors, settings.actors_max)
        self._posts: dict[str, _Post] = {}
        self._lost = False  # the cluster, and that was said
        self._lag_due = 0.0
        self._scaled_s = self._idle_since_s = clock.monotonic()

    def run(self, done: Callable[[], bool], lag_s: Callable[[], float]) -> None:
        """Keep workers running until `done`, then let them end in good order.

        Args:
            done: Asked several times a second.
            lag_s: How long the oldest record has waited for its analysis; asked every two seconds.

        Raises:
            ConfigurationError: The workers cannot work until the user changes something.
        """
        patience_s = 0.0  # whoever is interrupted, or cannot go on, does not wait for batches
        try:
            while not done():
                try:
                    self._fill()
                    self._watch()
                    self._lost = False
                except ClusterLostError as error:
                    self._rebuild(error)
                self._scale(lag_s)
                self._clock.sleep(_TICK_S)
            patience_s = self._settings.stop_timeout_s
        finally:
            for slot, health in self._crew.stop(list(self._posts), patience_s).items():
                self._tell(slot, health)

    def _fill(self) -> None:
        """Start what is missing, and end what is too many, the newest first."""
        for number in range(self._wanted):
            slot = f"{self._slot}-{number}"
            if slot not in self._posts:
                self._crew.start(slot)
                self._posts[slot] = _Post()
        surplus = list(self._posts)[self._wanted :]
        if surplus:
            self._crew.stop(surplus, self._settings.stop_timeout_s)
            for slot in surplus:
                del self._posts[slot]

    def _watch(self) -> None:
        answers = self._crew.ask(_ANSWER_S)
        show_workers(wanted=self._wanted, running=sum(isinstance(answer, Health) for answer in answers.values()))
        for slot, answer in answers.items():
            post = self._posts[slot]
            if isinstance(answer, Health):
                self._hear(slot, post, answer)
            elif answer is Absence.SILENT:
                self._miss(slot, post)
            elif not post.starting:
                self._bury(slot, post)

    def _hear(self, slot: str, post: _Post, health: Health) -> None:
        if health.failure is not None:
            raise ConfigurationError(health.failure)
        if post.incarnation not in {None, health.incarnation}:
            self._bury(slot, post)
        post.incarnation, post.silences, post.starting = health.incarnation, 0, False
        self._tell(slot, health)

    def _bury(self, slot: str, post: _Post) -> None:
        """Take note of a death; the user is told of the first, the second, the fourth, ..."""
        post.incarnation, post.silences, post.starting = None, 0, True
        post.deaths += 1
        WORKERS_REPLACED.labels(Replacement.DIED).inc()
        if post.deaths.bit_count() == 1:
            times = "" if post.deaths == 1 else f" again, {post.deaths} times by now"
            self._notice(f"worker {slot} died{times}; it is started again")

    def _miss(self, slot: str, post: _Post) -> None:
        post.silences += 1
        if post.silences < (_START_SILENCES if post.starting else _SILENCES):
            return
        self._notice(f"worker {slot} does not answer; it is ended and started again")
        WORKERS_REPLACED.labels(Replacement.HUNG).inc()
        self._crew.replace(slot)
        self._posts[slot] = _Post()

    def _rebuild(self, error: ClusterLostError) -> None:
        if not self._lost:
            self._notice(f"{error}; it is built anew")
        WORKERS_REPLACED.labels(Replacement.CLUSTER_LOST).inc(len(self._posts))
        self._posts.clear()
        try:
            self._crew.rebuild()
        except ClusterLostError as again:
            if not self._lost:
                self._notice(f"{again}; trying again and again")
            self._clock.sleep(_REBUILD_S)
        self._lost = True

    def _scale(self, lag_s: Callable[[], float]) -> None:
        """One worker more where records wait for too long, one less where none has waited for a while."""
        now = self._clock.monotonic()
        if now < self._lag_due or self._least == self._most:
            return
        self._lag_due = now + _LAG_EVERY_S
        lagging = lag_s() > self._settings.scale_lag_s
        self._idle_since_s = now if lagging else self._idle_since_s
        if lagging and self._wanted < self._most and now - self._scaled_s >= self._settings.scale_lag_s:
            self._resize(self._wanted + 1)
        elif self._wanted > self._least and now - max(self._idle_since_s, self._scaled_s) >= self._settings.scale_idle_s:
            self._resize(self._wanted - 1)

    def _resize(self, wanted: int) -> None:
        SCALE_CHANGES.labels(Scaling.UP if wanted > self._wanted else Scaling.DOWN).inc()
        self._wanted = wanted
        self._scaled_s = self._clock.monotonic()
