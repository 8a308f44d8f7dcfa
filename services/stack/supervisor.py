"""Brings the parts up in their order, keeps them up, and takes them down in the reverse order; knows no product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.stack.post import Post

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.ports import Clock
    from services.stack.part import Part, Say
    from services.stack.post import Spawn

TICK_S = 0.1


class Supervisor:
    """Keeps the parts of a stack running.

    Args:
        parts: In the order in which they are started; a part needs earlier ones only.
        clock: Paces.
        spawn: Starts a task in a thread of its own.
        notice: Told in a line what became of a part.
        tell: Told the posts after each step.
    """

    def __init__(self, parts: Sequence[Part], clock: Clock, spawn: Spawn, *, notice: Say, tell: Callable[[Sequence[Post]], None]) -> None:
        self._posts = [Post(part, clock, spawn, notice) for part in parts]
        self._clock = clock
        self._notice = notice
        self._tell = tell

    def run(self, done: Callable[[], bool], hurry: Callable[[], bool]) -> None:
        """Keep everything running until `done`, then take it down.

        Args:
            done: Asked several times a second.
            hurry: While it goes down: whether no part is waited for any more.

        Raises:
            ConfigurationError: A part cannot be until the user changes something; all are down.
        """
        try:
            while not done():
                self._step()
                self._clock.sleep(TICK_S)
        finally:
            self._take_down(hurry)

    def _step(self) -> None:
        well = {post.part.name for post in self._posts if post.is_well}
        for post in self._posts:
            post.advance(needs_met=well.issuperset(post.part.needs))
        self._tell(self._posts)

    def _take_down(self, hurry: Callable[[], bool]) -> None:
        for post in reversed(self._posts):
            if post.runs:
                self._end(post, hurry)
            post.stopped()
            self._tell(self._posts)

    def _end(self, post: Post, hurry: Callable[[], bool]) -> None:
        runner = post.part.runner
        if runner is None or runner.poll() is not None:
            return
        post.doing = "stopping"
        self._tell(self._posts)
        deadline = self._clock.monotonic() + post.part.stop_s
        runner.terminate()
        while runner.poll() is None:
            if hurry() or self._clock.monotonic() >= deadline:
                self._notice(f"{post.part.name} does not end in time; it is killed")
                runner.kill()
                return
            self._clock.sleep(TICK_S)
