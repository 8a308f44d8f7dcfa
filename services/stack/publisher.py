"""Writes down how a stack does, about once a second and at every change, and keeps its logs short."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from pipeline.adapters.camera import redact
from services.stack.processes import boot, now_ticks, process
from services.stack.state import EMBEDDED, SUPERVISOR, PartStatus, StackState
from services.stack.usage import Usage, UsageMeter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pipeline.ports import Clock
    from services.stack.plan import Plan
    from services.stack.post import Post
    from services.stack.processes import Identity
    from services.stack.state import StackFolder

_EVERY_S = 1.0
_SHORTEN_EVERY_S = 10.0


class Publisher:
    """Writes the state of the posts into the stack's folder.

    Args:
        folder: Where.
        plan: What the stack is.
        sources: Redacted.
        clock: Says when.
    """

    def __init__(self, folder: StackFolder, plan: Plan, sources: Sequence[str], clock: Clock) -> None:
        self._folder = folder
        self._plan = plan
        self._sources = tuple(sources)
        self._clock = clock
        self._meter = UsageMeter(clock)
        self._since = clock.now()
        self._began: dict[Identity, datetime] = {}  # when each process was first seen
        self._told: list[tuple[object, ...]] = []
        self._due_s = self._shorten_due_s = 0.0
        me = process(os.getpid())
        assert me is not None
        self._me = me.identity

    def tell(self, posts: Sequence[Post]) -> None:
        """Write the state, where it has changed or was written a while ago."""
        now = self._clock.monotonic()
        words = [(post.state, post.doing, post.error, post.restarts) for post in posts]
        if words == self._told and now < self._due_s:
            return
        self._told, self._due_s = list(words), now + _EVERY_S
        with suppress(OSError):  # a full disk ends no part; it is written again in a second
            self._folder.write(self._state(posts))
        if now >= self._shorten_due_s:
            self._shorten_due_s = now + _SHORTEN_EVERY_S
            for name in (SUPERVISOR, *(post.part.name for post in posts)):
                self._folder.log(name).shorten()

    def _state(self, posts: Sequence[Post]) -> StackState:
        leaders = {post.part.name: post.part.runner.identity() for post in posts if post.part.runner is not None and post.runs}
        living = {name: leader for name, leader in leaders.items() if leader is not None}
        usage = self._meter.measure(living)
        settings = self._plan.settings
        return StackState(
            boot=boot(),
            written_ticks=now_ticks(),
            at=self._clock.now(),
            since=self._since,
            supervisor=self._me,
            sources=self._sources,
            database=EMBEDDED if settings.database_url is None else _shown(settings.database_url.get_secret_value()),
            kafka=settings.kafka_bootstrap or "",
            own_kafka=self._plan.own_kafka,
            triton=settings.triton_url or "",
            own_triton=self._plan.own_triton,
            parts=tuple(self._part(post, living.get(post.part.name), usage.get(post.part.name, Usage())) for post in posts),
        )

    def _part(self, post: Post, leader: Identity | None, usage: Usage) -> PartStatus:
        return PartStatus(
            name=post.part.name,
            state=post.state,
            doing=post.doing,
            own=post.part.runner is not None,
            process=leader,
            started_at=None if leader is None else self._began.setdefault(leader, self._clock.now()),
            restarts=post.restarts,
            failures=post.failures,
            refused=post.refused,
            memory_bytes=usage.memory_bytes,
            cpu=round(usage.cpu, 3),
            address=post.part.address,
            error=redact_line(post.error),
        )


def redact_line(text: str) -> str:
    """Return what a part has said last without the credentials of addresses."""
    return " ".join(redact(word) if "://" in word else word for word in text.split(" "))


def _shown(url: str) -> str:
    return make_url(url)._replace(password=None).difference_update_query(["password"]).render_as_string()
